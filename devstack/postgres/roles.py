"""One database for both services: each has a role that reaches only its own schemas.

As a program it prepares the database of DATABASE_URL, a superuser's, for roles with the passwords
of ROTA_CHAT_DATABASE_PASSWORD and ROTA_AUTOMATION_DATABASE_PASSWORD. It may run again: passwords
become those, and schemas that another role made become the services' own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from devstack.postgres.server import Server

DATABASE = "rota"
SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "rota_chat": ("chat",),
    "rota_automation": ("automation", "pgqueuer"),
}
_LOCK = 0x526F7461  # any number, the same for every process that prepares a database


# Of every kind, what a schema holds that has an owner: its name, quoted, and how it is called.
_OWNED = """
    select case relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end,
           format('%%I.%%I', nspname, relname), relowner
      from pg_class join pg_namespace n on n.oid = relnamespace
     where nspname = %(schema)s and relkind in ('r', 'p', 'v', 'S')
       and not exists (
             select from pg_depend d where d.objid = pg_class.oid and d.deptype in ('a', 'i')
           )
    union all
    select 'type', format('%%I.%%I', nspname, typname), typowner
      from pg_type join pg_namespace n on n.oid = typnamespace
     where nspname = %(schema)s and typtype in ('e', 'd')
    union all
    select 'routine',
           format('%%I.%%I(%%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)),
           proowner
      from pg_proc p join pg_namespace n on n.oid = pronamespace
     where nspname = %(schema)s
"""


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


def take_over_schemas(connection: psycopg.Connection) -> None:
    """Gives each service's role the schemas that another role made, and all that is in them."""
    for role, schemas in SCHEMAS.items():
        owner = Identifier(role)
        for schema in schemas:
            connection.execute(SQL("alter schema {} owner to {}").format(Identifier(schema), owner))
            found = connection.execute(
                f"select kind, name from ({_OWNED}) as owned (kind, name, owner)"
                " where owner <> to_regrole(%(role)s)",
                {"schema": schema, "role": role},
            )
            for kind, name in found.fetchall():
                # Both are PostgreSQL's own words: a kind above, and a name that it has quoted.
                connection.execute(
                    SQL("alter {} {} owner to {}").format(SQL(kind), SQL(name), owner)
                )


def main() -> None:
    url = os.environ["DATABASE_URL"]
    passwords = {role: os.environ[f"{role.upper()}_DATABASE_PASSWORD"] for role in SCHEMAS}
    with psycopg.connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        create_roles(connection, passwords)
        revoke_public_access(connection, connection.info.dbname)
        create_schemas(connection)
        take_over_schemas(connection)


def _exists(connection: psycopg.Connection, table: str, column: str, value: str) -> bool:
    query = SQL("select 1 from {} where {} = %s").format(Identifier(table), Identifier(column))
    return connection.execute(query, [value]).fetchone() is not None


if __name__ == "__main__":
    main()
