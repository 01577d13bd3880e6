"""A type of the database is asked for once, whichever connection of an engine meets it."""

from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import database

TYPES = """
create type mood as enum ('well', 'ill');
create domain short as varchar(3);
create type pair as (first mood, second short);
"""
VALUES = "select 'ill'::mood, array['well', 'ill']::mood[], 'abc'::short, row('ill', 'ab')::pair"
WANTED = ("ill", ["well", "ill"], "abc", ("ill", "ab"))


async def read(engine: AsyncEngine, *statements: str) -> tuple[list[Any], int]:
    """What a new connection reads, and how often it asked for types."""
    asked: list[str] = []
    async with engine.connect() as connection:
        under = await database.asyncpg_connection(connection)
        with under.query_logger(lambda record: asked.append(record.query)):
            found = [tuple(await under.fetchrow(statement)) for statement in statements]
        await connection.invalidate()
    return found, sum("typeinfo_tree" in query for query in asked)


async def test_a_type_is_asked_for_once(database_url: str) -> None:
    engine = database.create_engine(database_url, schema="public")
    try:
        async with engine.begin() as connection:
            for statement in filter(str.strip, TYPES.split(";")):
                await connection.exec_driver_sql(statement)
        first, asked = await read(engine, VALUES)
        assert (tuple(first[0][:3]), tuple(first[0][3])) == (WANTED[:3], WANTED[3])
        assert asked == 1  # the connection is older than the types
        again, asked = await read(engine, VALUES)
        assert again == first
        assert asked == 0
    finally:
        await engine.dispose()


async def test_what_is_new_is_asked_for_beside_what_is_known(database_url: str) -> None:
    engine = database.create_engine(database_url, schema="public")
    try:
        async with engine.begin() as connection:
            for statement in filter(str.strip, TYPES.split(";")):
                await connection.exec_driver_sql(statement)
        await read(engine, "select 'ill'::mood")
        found, asked = await read(engine, VALUES)
        assert tuple(found[0][:3]) == WANTED[:3]
        assert asked == 1
        # A type made again under its name is another one.
        async with engine.begin() as connection:
            await connection.exec_driver_sql("drop type pair")
            await connection.exec_driver_sql("drop type mood")
            await connection.exec_driver_sql("create type mood as (day date)")
        found, asked = await read(engine, "select row('2026-11-29')::mood")
        assert [str(day) for day in found[0][0]] == ["2026-11-29"]
        assert asked == 1
    finally:
        await engine.dispose()


LISTS = """
select array['ill']::mood[], array['a{,"']::mood[], '{{well},{ill}}'::mood[], 'well'::mood,
       array['\\x00'::bytea, null], array[1, 2], array['a']::text[], array[1.5], array[true],
       array[timestamptz '2026-11-29'], array['1 day'::interval],
       array[uuid '0192f0c1-2345-4abc-8def-0123456789ab'], array['{"a": 1}'::jsonb]
"""
VALUE = "create type mood as enum ('well', 'ill', 'a{,\"')"


async def test_enums_and_arrays_are_known_from_the_start_and_read_as_asyncpg_reads_them(
    database_url: str,
) -> None:
    plain = await asyncpg.connect(database_url)
    await plain.execute(VALUE)
    engine = database.create_engine(database_url, schema="public")
    try:
        found, asked = await read(engine, LISTS)
        assert asked == 0
        assert found[0][:-1] == tuple(await plain.fetchrow(LISTS))[:-1]
        assert found[0][-1] == [{"a": 1}]  # as the engine reads JSON
    finally:
        await engine.dispose()
        await plain.close()
