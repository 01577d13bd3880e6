"""The statements that a test sees: those of SQLAlchemy, and those that asyncpg is given itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import database

Seen = list[tuple[str, Any]]  # statements with their values


@contextlib.asynccontextmanager
async def see_statements(engine: AsyncEngine) -> AsyncIterator[Seen]:
    """Yields the statements on connections that are taken from the pool inside the block."""
    seen: Seen = []
    of_sqlalchemy, of_asyncpg = _notes(seen)

    def take(connection: Any, *_: Any) -> None:
        connection.driver_connection.add_query_logger(of_asyncpg)

    def give_back(connection: Any, *_: Any) -> None:
        if connection is not None:
            connection.driver_connection.remove_query_logger(of_asyncpg)

    listeners = {
        "before_cursor_execute": of_sqlalchemy,
        "checkout": take,
        "checkin": give_back,
    }
    for event, listener in listeners.items():
        sa.event.listen(engine.sync_engine, event, listener)
    try:
        yield seen
        await asyncio.sleep(0)  # asyncpg tells a round of the loop later
    finally:
        for event, listener in listeners.items():
            sa.event.remove(engine.sync_engine, event, listener)


@contextlib.asynccontextmanager
async def see_statements_of(connection: AsyncConnection) -> AsyncIterator[Seen]:
    """Yields the statements on a connection."""
    seen: Seen = []
    of_sqlalchemy, of_asyncpg = _notes(seen)
    under = await database.asyncpg_connection(connection)
    sa.event.listen(connection.sync_connection, "before_cursor_execute", of_sqlalchemy)
    under.add_query_logger(of_asyncpg)
    try:
        yield seen
        await asyncio.sleep(0)  # as above
    finally:
        under.remove_query_logger(of_asyncpg)
        sa.event.remove(connection.sync_connection, "before_cursor_execute", of_sqlalchemy)


def _notes(seen: Seen) -> tuple[Any, Any]:
    def of_sqlalchemy(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        seen.append((statement, values))

    def of_asyncpg(query: Any) -> None:
        if not query.query.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append((query.query, query.args))

    return of_sqlalchemy, of_asyncpg
