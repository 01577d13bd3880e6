"""Statements that are compiled once."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import database
from shared.db.statements import _DIALECT, Statement


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


metadata = sa.MetaData(schema="chat")
things = sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("data", JSONB),
    sa.Column(
        "colour",
        ENUM(Colour, name="colour", values_callable=lambda kind: [m.value for m in kind]),
    ),
)
INSERT = Statement(
    sa.insert(things).values({c.name: sa.bindparam(c.name, type_=c.type) for c in things.c})
)
ALL = Statement(sa.select(things).order_by(things.c.id))
SOME = Statement(
    sa.select(things.c.id).where(
        things.c.id == sa.func.any(sa.bindparam("ids", type_=ARRAY(sa.Integer)))
    )
)
RED = {"data": {"ü": [1, None]}, "colour": Colour.RED}


@pytest.fixture
async def engine(chat_database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_database_url, schema="chat")
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.dispose()


async def test_values_come_back_as_sqlalchemy_would_give_them(engine: AsyncEngine) -> None:
    async with database.transaction(engine) as connection:
        await INSERT.run(connection, id=1, **RED)
        found = await ALL.row(connection)
        as_always = (await connection.execute(sa.select(things))).mappings().one()

    assert found == dict(as_always) == {"id": 1, **RED}
    assert isinstance(found["colour"], Colour)


async def test_it_is_rolled_back_with_its_transaction(engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(engine) as connection:
            await INSERT.run(connection, id=1, **RED)
            raise ZeroDivisionError

    async with engine.connect() as connection:
        assert await ALL.rows(connection) == []


async def test_both_ways_of_asking_share_a_transaction(engine: AsyncEngine) -> None:
    async with database.transaction(engine) as connection:
        await INSERT.run(connection, id=1, **RED)
        await connection.execute(sa.insert(things).values(id=2, data=None, colour=Colour.BLUE))
        assert await SOME.rows(connection, ids=[1, 2, 3]) == [{"id": 1}, {"id": 2}]

    async with engine.connect() as connection:
        assert len(await ALL.rows(connection)) == 2


async def test_without_a_transaction_it_is_alone_in_its_own(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await INSERT.run(connection, id=1, **RED)

    async with engine.connect() as connection:
        assert await SOME.scalar(connection, ids=[1]) == 1
        assert await SOME.scalar(connection, ids=[9]) is None
        assert await SOME.row(connection, ids=[9]) is None


async def test_a_fault_leaves_the_connection_to_others(engine: AsyncEngine) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction(engine) as connection:
            await INSERT.run(connection, id=1, **RED)
            await INSERT.run(connection, id=1, **RED)

    async with database.transaction(engine) as connection:
        assert await ALL.rows(connection) == []


async def test_a_connection_the_server_closed_is_not_handed_out(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        under = await database.asyncpg_connection(connection)
        await ALL.rows(connection)
    under.terminate()

    async with engine.connect() as connection:
        assert await ALL.rows(connection) == []


async def test_sqlalchemy_has_the_private_attributes_that_a_statement_needs(
    engine: AsyncEngine,
) -> None:
    compiled = sa.select(things).where(things.c.id == sa.bindparam("id")).compile(dialect=_DIALECT)
    assert compiled._bind_processors.keys() <= {"id"}
    types = {entry[0]: entry[3] for entry in compiled._result_columns}
    assert types.keys() == {"id", "data", "colour"}
    assert callable(types["colour"]._cached_result_processor(_DIALECT, None))
    assert compiled.positiontup == ["id"]

    async with engine.begin() as connection:
        assert connection.sync_connection is not None
        adapted: Any = connection.sync_connection.connection
        assert not adapted.driver_connection.is_in_transaction()  # BEGIN is lazy
        await adapted.dbapi_connection._start_transaction()
        assert adapted.driver_connection.is_in_transaction()
