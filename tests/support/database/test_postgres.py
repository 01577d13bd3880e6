"""The suite's own databases."""

import psycopg

from devstack.postgres.roles import ServiceDatabases
from tests.support.database.postgres import SuiteServer


def test_a_database_has_both_roles_schemas(databases: ServiceDatabases) -> None:
    for dsn, schemas in (
        (databases.chat, {"chat"}),
        (databases.automation, {"automation", "pgqueuer"}),
    ):
        with psycopg.connect(dsn) as connection:
            rows = connection.execute(
                "select nspname from pg_namespace where nspowner = current_user::regrole"
            ).fetchall()
            connection.execute("create table t (n int)")
        assert {row[0] for row in rows} == schemas


def test_a_template_is_built_once_and_copied_whole(postgres_server: SuiteServer) -> None:
    built: list[str] = []
    lingering: list[psycopg.Connection] = []

    def build(template: ServiceDatabases) -> None:
        built.append(template.database)
        lingering.append(psycopg.connect(template.chat, autocommit=True))
        lingering[-1].execute("create table t as select 7 as n")

    for _ in range(2):
        with (
            postgres_server.fresh_database("rota_test_template", build) as copy,
            psycopg.connect(copy.chat) as connection,
        ):
            assert connection.execute("select n from t").fetchone() == (7,)
            connection.execute("delete from t")
    assert built == ["rota_test_template"]
