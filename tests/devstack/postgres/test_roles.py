"""The services' roles as a program makes them, also where another role made their schemas."""

import os
import subprocess
import sys

import psycopg
import pytest

from devstack.postgres.roles import ServiceDatabases
from tests.support.database.postgres import SuiteServer

# As a superuser's migrations leave a schema.
MADE = """
    alter schema chat owner to postgres;
    create type chat.mood as enum ('calm');
    create table chat.notes (id bigserial primary key, said text, mood chat.mood);
    create function chat.noted() returns trigger language plpgsql as 'begin return new; end';
    create view chat.shown as select said from chat.notes;
    insert into chat.notes (said) values ('kept');
"""
# What only an owner may do.
CHANGED = """
    alter type chat.mood add value 'brave';
    alter table chat.notes add column more text;
    create trigger noted before insert on chat.notes for each row execute function chat.noted();
    drop view chat.shown;
    insert into chat.notes (said) values ('new');
    create table chat.others (id int);
"""


@pytest.fixture
def prepared(postgres_server: SuiteServer, databases: ServiceDatabases) -> ServiceDatabases:
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        connection.execute(MADE)
    passwords = {
        f"{role.upper()}_DATABASE_PASSWORD": postgres_server.server.passwords[role]
        for role in ("rota_chat", "rota_automation")
    }
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "devstack.postgres.roles"],
            env={**os.environ, **passwords, "DATABASE_URL": databases.superuser},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return databases


def test_a_role_owns_its_schema_and_reaches_no_other(prepared: ServiceDatabases) -> None:
    with psycopg.connect(prepared.chat, autocommit=True) as connection:
        for statement in CHANGED.split(";\n"):
            connection.execute(statement)
        said = connection.execute("select said from chat.notes order by id").fetchall()
    assert said == [("kept",), ("new",)]
    with (
        psycopg.connect(prepared.automation) as other,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        other.execute("select said from chat.notes")
