"""Connections that are kept at hand."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import database, fast_connection


@pytest.fixture
async def engine(chat_database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(
        chat_database_url, schema="chat", pool_size=2 * fast_connection.SHARE
    )
    yield made
    await made.dispose()


async def backend(connection: AsyncConnection) -> int:
    under = await database.asyncpg_connection(connection)
    return int(await under.fetchval("select pg_backend_pid()"))


def taken(engine: AsyncEngine) -> int:
    assert isinstance(engine.pool, sa.QueuePool)
    return engine.pool.checkedout()


async def lent(engine: AsyncEngine) -> int:
    async with fast_connection.borrow(engine) as connection:
        return await backend(connection)


async def test_a_connection_is_lent_again_without_the_pool(engine: AsyncEngine) -> None:
    first = await lent(engine)

    assert await lent(engine) == first
    assert taken(engine) == 1


async def test_two_at_once_have_two(engine: AsyncEngine) -> None:
    async with (
        fast_connection.borrow(engine) as one,
        fast_connection.borrow(engine) as other,
    ):
        assert await backend(one) != await backend(other)


async def test_only_a_share_of_the_connections_is_kept(engine: AsyncEngine) -> None:
    everybody = asyncio.Barrier(5)

    async def hold() -> None:
        async with fast_connection.borrow(engine) as connection:
            await backend(connection)
            await everybody.wait()

    await asyncio.gather(*(hold() for _ in range(5)))

    assert taken(engine) == 2


async def test_one_with_a_transaction_begun_is_not_kept(engine: AsyncEngine) -> None:
    async with fast_connection.borrow(engine) as connection:
        await connection.execute(sa.text("create table chat.half_done (id int)"))

    assert taken(engine) == 0
    async with engine.connect() as connection:
        found = await connection.scalar(sa.text("select to_regclass('chat.half_done')"))
    assert found is None


async def test_one_that_a_fault_was_met_on_is_not_kept(engine: AsyncEngine) -> None:
    with pytest.raises(KeyError):
        async with fast_connection.borrow(engine) as connection:
            await backend(connection)
            raise KeyError

    assert taken(engine) == 0


async def test_one_that_the_server_closed_is_replaced(
    engine: AsyncEngine, database_url: str
) -> None:
    async with fast_connection.borrow(engine) as connection:
        under, first = await database.asyncpg_connection(connection), await backend(connection)
    superuser = database.create_engine(database_url, schema="public")
    async with superuser.connect() as other:
        await other.execute(sa.text("select pg_terminate_backend(:pid)"), {"pid": first})
    await superuser.dispose()
    async with asyncio.timeout(30):
        while not under.is_closed():
            await asyncio.sleep(0.01)

    assert await lent(engine) != first


async def test_an_old_one_goes_back_to_the_pool(engine: AsyncEngine) -> None:
    await lent(engine)
    assert taken(engine) == 1

    async with fast_connection.borrow(engine, max_age_seconds=0.0):
        pass

    assert taken(engine) == 0


async def test_those_kept_are_closed_with_the_engine(
    chat_database_url: str, database_url: str
) -> None:
    engine = database.create_engine(
        chat_database_url, schema="chat", pool_size=fast_connection.SHARE
    )
    pid = await lent(engine)

    await engine.dispose()

    superuser = database.create_engine(database_url, schema="public")
    gone = sa.text("select not exists (select from pg_stat_activity where pid = :pid)")
    async with superuser.connect() as connection, asyncio.timeout(30):
        while not await connection.scalar(gone, {"pid": pid}):
            await asyncio.sleep(0.01)
    await superuser.dispose()


async def test_an_engine_that_was_disposed_of_lends_again(engine: AsyncEngine) -> None:
    first = await lent(engine)
    await engine.dispose()

    assert await lent(engine) != first
