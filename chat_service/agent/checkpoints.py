"""Where the graph of a turn is kept while the turn is open."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
from cachetools import LRUCache
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from chat_service.agent.late_saver import LateSaver
from shared.database import plain_dsn

MOST_ASSIGNMENTS: Final = 16  # of subagents, in one turn
MOST_NOTED: Final = 10_000
_FORGET: Final = """
    WITH states AS (DELETE FROM checkpoints WHERE thread_id = ANY(%(threads)s)),
         blobs AS (DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%(threads)s))
    DELETE FROM checkpoint_writes WHERE thread_id = ANY(%(threads)s)
"""
_Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


def serde() -> JsonPlusSerializer:
    """Rebuilds messages and plain values only, so a row can't name code to run."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def thread_id(turn: UUID, assignment: int = 0) -> str:
    """The thread of a turn's main agent, or of the subagent that has its n-th assignment."""
    return f"{turn}/{assignment}" if assignment else str(turn)


class Checkpoints:
    """One pool of connections; each agent of a turn has a thread of its own."""

    def __init__(self, pool: _Pool, *, most_noted: int = MOST_NOTED) -> None:
        self._pool = pool
        self._serde = serde()
        # Turns of which nothing is written, as far as this process knows. One that is missing
        # here costs a statement that deletes nothing.
        self._unwritten: LRUCache[UUID, None] = LRUCache(most_noted)

    def saver(self, turn: UUID, *, fresh: bool = False, brief: bool = False) -> LateSaver:
        """One for each stream: a saver lets only one of its calls through at a time.

        `fresh` promises that nothing of the turn was ever written.
        """
        if fresh:
            self._unwritten[turn] = None
        else:
            self._unwritten.pop(turn, None)
        return LateSaver(
            self._pool,
            serde=self._serde,
            fresh=fresh,
            brief=brief,
            writes=lambda: self._unwritten.pop(turn, None),
        )

    async def forget(self, turn: UUID) -> None:
        """Drops what all agents of a turn keep."""
        if turn in self._unwritten:
            del self._unwritten[turn]
            return
        threads = [thread_id(turn, number) for number in range(MOST_ASSIGNMENTS + 1)]
        async with self._pool.connection() as connection:
            await connection.execute(_FORGET, {"threads": threads})


@asynccontextmanager
async def open_checkpoints(
    dsn: str, schema: str = "chat", *, max_connections: int = 10
) -> AsyncIterator[Checkpoints]:
    pool: _Pool = AsyncConnectionPool(
        plain_dsn(dsn),
        min_size=1,
        max_size=max_connections,
        open=False,
        timeout=30,
        kwargs=_connection(schema),
        # connections that a restarted server has closed are replaced, not handed out
        check=_check,
    )
    await pool.open()
    try:
        yield Checkpoints(pool)
    finally:
        await pool.close(timeout=5)


def version() -> int:
    """What `setup` brings the checkpoint tables to."""
    return len(AsyncPostgresSaver.MIGRATIONS) - 1


async def setup(dsn: str, schema: str = "chat") -> None:
    """Creates the checkpoint tables, or brings them up to date. Replicas take turns."""
    async with await psycopg.AsyncConnection.connect(
        plain_dsn(dsn), **_connection(schema)
    ) as connection:
        await connection.execute("select pg_advisory_lock(hashtext('rota checkpoints'))")
        await AsyncPostgresSaver(connection, serde=serde()).setup()


async def _check(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Asks a connection that has something to say; one that is silent is alive."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await _Pool.check_connection(connection)


def _connection(schema: str) -> dict[str, Any]:
    # A commit does not wait for the disk. Whatever is committed later, such as an approval or a
    # turn's end, takes what was written before to disk with it; so a server that loses its power
    # costs at most a model call that nothing stored followed from.
    return {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "options": f"-c search_path={schema} -c synchronous_commit=off",
    }
