"""The CPU time of a short query through `Statement`, SQLAlchemy core and asyncpg."""

import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.database import run_database
from bench.table import Table, format_ratio
from shared.db import database, fast_connection
from shared.db.statements import Statement

ROUNDS: Final = 7
REPEATS: Final = 1_000

_TABLE: Final = sa.table("pg_class", sa.column("relname"), sa.column("relkind"))
_QUERY: Final = sa.select(_TABLE.c.relname, _TABLE.c.relkind).where(
    _TABLE.c.relname == sa.bindparam("name", type_=sa.Text)
)
_STATEMENT: Final = Statement(_QUERY)
_TEXT: Final = "select relname, relkind from pg_class where relname = $1::text"


async def run() -> Table:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rota-bench-")))
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        server = stack.enter_context(run_database(folder))
        db = database.create_engine(server.dsn, schema="public")
        try:
            async with fast_connection.borrow(db) as connection:
                core, ours, bare = await _measure(connection, _core, _statement, _asyncpg)
        finally:
            await db.dispose()
    rows = [["one short query", "core", "Statement", "asyncpg", "core/Statement"]]
    figures = [f"{figure:.0f}" for figure in (core, ours, bare)]
    rows.append(["CPU µs of this process", *figures, format_ratio(core, ours)])
    return Table(rows)


async def _measure(
    connection: AsyncConnection, *contenders: Callable[[AsyncConnection], Awaitable[object]]
) -> list[float]:
    """Returns CPU microseconds a call: the median of rounds in which the contenders take turns."""
    found: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for contender, times in zip(contenders, found, strict=True):
            began = time.process_time()
            for _ in range(REPEATS):
                await contender(connection)
            times.append((time.process_time() - began) / REPEATS * 1e6)
    return [median(times) for times in found]


async def _core(connection: AsyncConnection) -> object:
    return (await connection.execute(_QUERY, {"name": "pg_class"})).mappings().one()


async def _statement(connection: AsyncConnection) -> object:
    return await _STATEMENT.row(connection, name="pg_class")


async def _asyncpg(connection: AsyncConnection) -> object:
    under = await database.asyncpg_connection(connection)
    return await under.fetchrow(_TEXT, "pg_class")
