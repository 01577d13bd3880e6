"""One database for both services: each has a role that reaches only its own schemas."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from devstack.postgres import Server

DATABASE = "rota"
SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "rota_chat": ("chat",),
    "rota_automation": ("automation", "pgqueuer"),
}
_LOCK = 0x526F7461  # any number, the same for every process that prepares a database


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDatabases:
    """DSNs (`postgresql://…`) of one database, one for each role."""

    database: str
    superuser: str
    chat: str
    automation: str


def create_role_and_schema(server: Server, database: str = DATABASE) -> ServiceDatabases:
    """Creates the database, the roles and their schemas where they are missing."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        create_roles(connection, server.passwords)
        if not _exists(connection, "pg_database", "datname", database):
            connection.execute(SQL("create database {}").format(Identifier(database)))
        revoke_public_access(connection, database)
        with psycopg.connect(server.dsn_for("postgres", database), autocommit=True) as inside:
            create_schemas(inside)
    return dsns(server, database)


def dsns(server: Server, database: str) -> ServiceDatabases:
    return ServiceDatabases(
        database=database,
        superuser=server.dsn_for("postgres", database),
        chat=server.dsn_for("rota_chat", database),
        automation=server.dsn_for("rota_automation", database),
    )


def create_roles(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    for role, schemas in SCHEMAS.items():
        name = Identifier(role)
        if not _exists(connection, "pg_roles", "rolname", role):
            connection.execute(SQL("create role {}").format(name))
        connection.execute(
            SQL("alter role {} login nosuperuser nocreatedb nocreaterole password {}").format(
                name, Literal(passwords[role])
            )
        )
        path = SQL(", ").join(map(Identifier, schemas))
        connection.execute(SQL("alter role {} set search_path = {}").format(name, path))


def revoke_public_access(connection: psycopg.Connection, database: str) -> None:
    """Limits the database to its roles; a copy from a template does not keep these rights."""
    name, roles = Identifier(database), SQL(", ").join(map(Identifier, SCHEMAS))
    connection.execute(SQL("revoke all on database {} from public").format(name))
    # `create` lets a migration say `create schema if not exists`.
    connection.execute(
        SQL("grant connect, create, temporary on database {} to {}").format(name, roles)
    )


def create_schemas(connection: psycopg.Connection) -> None:
    connection.execute("revoke all on schema public from public")
    for role, schemas in SCHEMAS.items():
        for schema in schemas:
            connection.execute(
                SQL("create schema if not exists {} authorization {}").format(
                    Identifier(schema), Identifier(role)
                )
            )


def _exists(connection: psycopg.Connection, table: str, column: str, value: str) -> bool:
    query = SQL("select 1 from {} where {} = %s").format(Identifier(table), Identifier(column))
    return connection.execute(query, [value]).fetchone() is not None
