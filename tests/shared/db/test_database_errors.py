"""Faults of a database, as callers hear of them: unavailable, or a fault of ours."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import errors
from shared.db import database
from shared.db.statements import Statement
from tests.support.processes.ports import free_port

PID = sa.text("select pg_backend_pid()")


@pytest.fixture
async def engine(chat_database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_database_url, schema="chat", pool_size=1)
    yield made
    await made.dispose()


def says_unavailable(error: BaseException) -> bool:
    refusal = database.translate(error)
    return isinstance(refusal, errors.ServiceUnavailable) and "database" in refusal.message


async def test_a_pool_without_a_free_connection_is_unavailable_until_one_is_free(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.pool, "_timeout", 0.01)
    async with engine.connect():
        with pytest.raises(sa.exc.TimeoutError) as caught:
            await engine.connect()
        assert says_unavailable(caught.value)
        with pytest.raises(errors.ServiceUnavailable), database.translate_errors():
            await engine.connect()
    async with engine.connect() as connection:
        assert await connection.scalar(PID)


async def by_statement(connection: AsyncConnection) -> None:
    await connection.execute(PID)


async def by_prepared_statement(connection: AsyncConnection) -> None:
    await Statement(PID).rows(connection)


@pytest.mark.parametrize("ask", [by_statement, by_prepared_statement])
async def test_a_connection_that_was_cut_is_unavailable_and_replaced(
    engine: AsyncEngine, chat_database_url: str, ask: object
) -> None:
    assert callable(ask)
    async with engine.connect() as connection:
        cut = await connection.scalar(PID)
        with psycopg.connect(chat_database_url, autocommit=True) as cutter:
            cutter.execute("select pg_terminate_backend(%s, 10000)", [cut])
        with pytest.raises(Exception) as caught:  # noqa: PT011 - several libraries name it
            await ask(connection)
        assert says_unavailable(caught.value)
        await connection.invalidate()
    async with engine.connect() as connection:
        assert await connection.scalar(PID) != cut


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    engine = database.create_engine(f"postgresql://a:b@127.0.0.1:{free_port()}/c", schema="chat")
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await engine.connect()
    assert says_unavailable(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.InterfaceError("connection is closed"),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_what_a_lost_database_raises_is_unavailable(error: Exception) -> None:
    assert says_unavailable(error)


async def test_a_statement_that_is_wrong_is_a_fault_of_ours(engine: AsyncEngine) -> None:
    wrong = sa.text("select nothing from nowhere")
    async with engine.connect() as connection:
        for ask in (connection.execute(wrong), Statement(wrong).rows(connection)):
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await ask
            assert database.translate(caught.value) is None
            await connection.rollback()


@pytest.mark.parametrize("error", [ValueError("no"), asyncpg.InterfaceError("bad argument")])
def test_other_faults_are_ours(error: Exception) -> None:
    assert database.translate(error) is None


async def test_a_cancelled_statement_leaves_its_connection_to_nobody(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        first = await connection.scalar(PID)
        asked = asyncio.create_task(Statement(sa.text("select pg_sleep(600)")).rows(connection))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    async with engine.connect() as connection:
        assert await connection.scalar(PID) != first
