"""Where the graph of a turn is kept while the turn is open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from shared.database import plain_dsn

_Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


def serde() -> JsonPlusSerializer:
    """Rebuilds messages and plain values only, so a row can't name code to run."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


class Checkpoints:
    """One pool of connections; a turn's checkpoints are keyed by its id."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool

    def saver(self) -> AsyncPostgresSaver:
        """One for each request: a saver lets only one of its calls through at a time."""
        return AsyncPostgresSaver(self._pool, serde=serde())

    async def forget(self, turn: UUID) -> None:
        await self.saver().adelete_thread(str(turn))


@asynccontextmanager
async def open_checkpoints(
    dsn: str, schema: str = "chat", *, max_connections: int = 10
) -> AsyncIterator[Checkpoints]:
    pool: _Pool = AsyncConnectionPool(
        plain_dsn(dsn),
        min_size=1,
        max_size=max_connections,
        open=False,
        timeout=10,
        kwargs=_connection(schema),
        # connections that a restarted server has closed are replaced, not handed out
        check=AsyncConnectionPool.check_connection,
    )
    await pool.open()
    try:
        yield Checkpoints(pool)
    finally:
        await pool.close(timeout=5)


async def setup(dsn: str, schema: str = "chat") -> None:
    """Creates the checkpoint tables, or brings them up to date. Replicas take turns."""
    async with await psycopg.AsyncConnection.connect(
        plain_dsn(dsn), **_connection(schema)
    ) as connection:
        await connection.execute("select pg_advisory_lock(hashtext('rota checkpoints'))")
        await AsyncPostgresSaver(connection, serde=serde()).setup()


def _connection(schema: str) -> dict[str, Any]:
    return {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "options": f"-c search_path={schema}",
    }
