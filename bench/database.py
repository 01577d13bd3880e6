"""The PostgreSQL of a benchmark: a server with its own defaults, so every commit is on the disk."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from bench import processes
from devstack.postgres.server import Server, run_server

# More than its default for the pools of a service and a peer; the rest is PostgreSQL's own.
SETTINGS: Final = {"max_connections": "300"}
DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


@contextlib.contextmanager
def run_database(folder: Path) -> Iterator[Server]:
    """Runs a server with its data below `folder`, which its user must reach.

    Raises RuntimeError if it would not wait for the disk.
    """
    with run_server(folder / "postgres", SETTINGS) as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            require_durable(connection)
        yield server


def require_durable(connection: psycopg.Connection) -> None:
    """Raises RuntimeError unless a commit waits until the disk has it."""
    said = connection.execute(
        "select name from pg_settings where name = any(%s) and setting <> 'on'", [list(DURABLE)]
    )
    if off := [name for (name,) in said]:
        raise RuntimeError(f"a benchmark needs a PostgreSQL with {', '.join(off)}")


def measure_cpu(server: Server) -> float:
    """CPU seconds of the server so far: of its processes, and of those that have ended."""
    return processes.measure_usage(server.pid).cpu_seconds
