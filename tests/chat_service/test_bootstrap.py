"""Starting: a service that can't do its work says why and ends."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from chat_service.__main__ import migrate
from devstack.postgres.roles import ServiceDatabases
from tests.support.credentials.tokens import Keys
from tests.support.processes import forks
from tests.support.system.chat import settings

MIGRATE = "the database is not at this version; run `python -m chat_service migrate`"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int | None
    output: str
    errors: str


def start(folder: Path, url: str, keys: Keys, **more: str) -> Ended:
    """A start that is expected to fail."""
    environment = {
        "DATABASE_URL": url,
        "ROTA_LISTEN": "127.0.0.1:0",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("chat_service")),
        "ROTA_DEFAULT_MODEL": "demo",
        **more,
    }
    output, errors = folder / "output", folder / "errors"
    fork = forks.start_program("chat_service", [], environment, output, errors)
    fork.process.join(240)
    return Ended(fork.poll(), output.read_text(), errors.read_text())


@pytest.mark.parametrize(
    "behind",
    [
        None,
        "update chat.alembic_version set version_num = '0001'",
        "drop table chat.checkpoint_migrations",
        "delete from chat.checkpoint_migrations where v > 3",
    ],
)
def test_an_unmigrated_database_is_refused_in_a_line(
    databases: ServiceDatabases, tmp_path: Path, behind: str | None
) -> None:
    keys = Keys(folder=tmp_path)
    if behind is not None:
        asyncio.run(migrate(settings(databases, keys, "")))
        with psycopg.connect(databases.superuser, autocommit=True) as connection:
            connection.execute(behind.encode())
    ended = start(tmp_path, databases.chat, keys)
    assert ended.code == 1
    assert ended.errors.strip().splitlines()[-1] == f"chat_service: {MIGRATE}"
    assert "Traceback" not in ended.errors


def test_a_database_that_is_away_is_told_in_a_line(keys: Keys, tmp_path: Path) -> None:
    ended = start(tmp_path, "postgresql://nobody@127.0.0.1:1/none", keys)
    assert ended.code == 1
    assert ended.errors.strip().splitlines()[-1].startswith("chat_service: ")
    assert "Traceback" not in ended.errors


def test_keys_that_are_none_are_refused_without_showing_them(
    chat_databases: ServiceDatabases, keys: Keys, tmp_path: Path
) -> None:
    ended = start(tmp_path, chat_databases.chat, keys, ROTA_SECRET_KEYS="too-short-a-key")
    assert ended.code == 2
    assert "ROTA_SECRET_KEYS: " in ended.errors
    assert "too-short" not in ended.errors + ended.output
