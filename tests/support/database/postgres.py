"""One real PostgreSQL for the whole suite, and a database of its own for every test that asks."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from devstack.postgres.process import live_server
from devstack.postgres.roles import (
    ServiceDatabases,
    create_role_and_schema,
    dsns,
    revoke_public_access,
)
from devstack.postgres.server import Server, run_server

# A suite's data need not outlive a power cut.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_wal_size": "256MB",
    "scram_iterations": "1",
    "jit": "off",
}
_MEMORY = Path("/dev/shm")
_PREFIX = "rota-tests-"
_STARTED_SECONDS = 600.0  # a server runs by then
_ROOM_BYTES = 2 * 2**30  # a server's write-ahead log, templates and databases in use
_EMPTY = "rota_empty"


@dataclass(frozen=True, slots=True)
class SuiteServer:
    """Databases are copies of a template; a template is built once, on first use."""

    server: Server
    connection: psycopg.Connection
    _templates: set[str] = field(default_factory=set)

    def template(self, key: str, build: Callable[[ServiceDatabases], None] | None = None) -> str:
        """The template named `key`; `build` migrates and fills it, and must close what it opens."""
        if key not in self._templates:
            databases = create_role_and_schema(self.server, key)
            if build is not None:
                build(databases)
            self._disconnect(key)
            self._templates.add(key)
        return key

    def _disconnect(self, name: str) -> None:
        # A template in use cannot be copied.
        self.connection.execute(
            SQL("alter database {} allow_connections false").format(Identifier(name))
        )
        self.connection.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s",
            [name],
        )

    def create(
        self, key: str = _EMPTY, build: Callable[[ServiceDatabases], None] | None = None
    ) -> ServiceDatabases:
        name = f"test_{uuid4().hex[:16]}"
        self.connection.execute(
            SQL("create database {} template {} strategy file_copy").format(
                Identifier(name), Identifier(self.template(key, build))
            )
        )
        revoke_public_access(self.connection, name)
        return dsns(self.server, name)

    def drop(self, databases: ServiceDatabases) -> None:
        # One whose sessions do not end within the server's five seconds goes with the server.
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            self.connection.execute(
                SQL("drop database if exists {} with (force)").format(
                    Identifier(databases.database)
                )
            )

    @contextmanager
    def fresh_database(
        self, key: str = _EMPTY, build: Callable[[ServiceDatabases], None] | None = None
    ) -> Iterator[ServiceDatabases]:
        """A database for one test: empty schemas, or a copy of what `build` made for this key."""
        databases = self.create(key, build)
        try:
            yield databases
        finally:
            self.drop(databases)


@contextmanager
def suite_server() -> Iterator[SuiteServer]:
    """A server with its data in memory where the machine has room, else in the temp folder."""
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=memory_folder()))
    home = folder
    folder.chmod(0o755)  # root's server runs as another user, who must get in
    try:
        with (
            run_server(folder, SETTINGS) as server,
            psycopg.connect(server.dsn, autocommit=True) as connection,
        ):
            home = server.data_dir.parent
            yield SuiteServer(server, connection)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)  # elsewhere, when the server's user is kept out


def memory_folder(*, programs: bool = False) -> Path | None:
    """A folder in memory with room for a server; None where there is none.

    With `programs` files in it can be run.
    """
    if not os.access(_MEMORY, os.W_OK):
        return None
    if programs and os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES else None


def _remove_abandoned() -> None:
    """Frees the memory of servers whose test run was killed: they ended with it."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            young = time.time() - folder.stat().st_mtime < _STARTED_SECONDS
            if not young and live_server(folder / "postgres" / "data") is None:
                shutil.rmtree(folder, ignore_errors=True)
