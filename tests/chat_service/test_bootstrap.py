"""Starting: a service that can't do its work says why and ends."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from chat_service.__main__ import migrate
from devstack.postgres_roles import ServiceDatabases
from tests.support.chat import settings
from tests.support.tokens import Keys

ROOT = Path(__file__).parents[2]
MIGRATE = "the database is not at this version; run `python -m chat_service migrate`"


def start(url: str, keys: Keys, **more: str) -> "subprocess.CompletedProcess[str]":
    """A start that is expected to fail."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "ROTA_LISTEN": "127.0.0.1:0",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("chat_service")),
        "ROTA_DEFAULT_MODEL": "demo",
        **more,
    }
    command = [sys.executable, "-m", "chat_service"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )


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
        migrate(settings(databases, keys, ""))
        with psycopg.connect(databases.superuser, autocommit=True) as connection:
            connection.execute(behind.encode())
    ended = start(databases.chat, keys)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == f"chat_service: {MIGRATE}"
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_away_is_told_in_a_line(keys: Keys) -> None:
    ended = start("postgresql://nobody@127.0.0.1:1/none", keys)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("chat_service: ")
    assert "Traceback" not in ended.stderr


def test_keys_that_are_none_are_refused_without_showing_them(
    chat_databases: ServiceDatabases, keys: Keys
) -> None:
    ended = start(chat_databases.chat, keys, ROTA_SECRET_KEYS="too-short-a-key")
    assert ended.returncode == 2
    assert "ROTA_SECRET_KEYS: " in ended.stderr
    assert "too-short" not in ended.stderr + ended.stdout
