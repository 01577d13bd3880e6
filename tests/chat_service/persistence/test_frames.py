"""Frames in the database: stored by the turn's owner only, each sequence once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import frames, tables
from chat_service.persistence.enums import TurnState
from chat_service.persistence.frames import FrameBatch
from chat_service.persistence.turns import Turn
from chat_service.turns.frames.log import LEASE, FrameLog
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.db import database
from tests.chat_service.stored_turns import read, store
from tests.support.system.chat import START

FENCE, BASE = 3, 5


@pytest.fixture
async def engine(chat_databases: ServiceDatabases) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_databases.chat, schema=tables.SCHEMA, pool_size=4)
    yield made
    await made.dispose()


async def turn_of(engine: AsyncEngine, **fields: Any) -> Turn:
    (turn,) = await store(engine, **({"fence": FENCE, "last_sequence": BASE} | fields))
    return turn


def batch(turn: Turn, *said: bytes, fence: int = FENCE, base: int = BASE) -> FrameBatch:
    return FrameBatch(turn=turn.id, fence=fence, base=base, frames=said)


async def appended(engine: AsyncEngine, *batches: FrameBatch) -> set[object]:
    async with engine.connect() as connection:
        return set(await frames.append(connection, batches, LEASE))


async def kept(engine: AsyncEngine, turn: Turn) -> tuple[int, list[tuple[int, bytes]]]:
    last = (await read(engine, turn.id)).last_sequence
    async with engine.connect() as connection:
        return last, await frames.list_after(connection, turn.id, 0, limit=100)


async def test_the_owner_stores_frames_after_the_last_one(engine: AsyncEngine) -> None:
    turn = await turn_of(engine)
    assert await appended(engine, batch(turn, b"a", b"b")) == {turn.id}
    assert await kept(engine, turn) == (BASE + 2, [(BASE + 1, b"a"), (BASE + 2, b"b")])


@pytest.mark.parametrize(
    ("state", "fence", "base"),
    [
        (TurnState.RUNNING, FENCE - 1, BASE),  # its owner before the one it has
        (TurnState.RUNNING, FENCE + 1, BASE),
        (TurnState.RUNNING, FENCE, BASE - 1),  # there is a frame in that place
        (TurnState.RUNNING, FENCE, BASE + 1),  # there would be a gap
        (TurnState.AWAITING_APPROVAL, FENCE, BASE),
        (TurnState.SUCCEEDED, FENCE, BASE),
    ],
)
async def test_nobody_else_stores_any_and_holds_nobody_up(
    engine: AsyncEngine, state: TurnState, fence: int, base: int
) -> None:
    turn, other = await turn_of(engine, state=state), await turn_of(engine)
    stale = batch(turn, b"stale", fence=fence, base=base)
    assert await appended(engine, stale, batch(other, b"good")) == {other.id}
    assert await kept(engine, turn) == (BASE, [])
    assert await kept(engine, other) == (BASE + 1, [(BASE + 1, b"good")])


async def test_two_who_take_themselves_for_the_owner_store_one_frame(engine: AsyncEngine) -> None:
    turn = await turn_of(engine)
    said = [b"%d" % number for number in range(8)]
    stored = await asyncio.gather(*(appended(engine, batch(turn, one)) for one in said))
    assert [one for one in stored if one] == [{turn.id}]
    last, there = await kept(engine, turn)
    assert (last, len(there)) == (BASE + 1, 1)


@pytest.mark.parametrize(("left", "renewed"), [(0.4, True), (0.9, False), (-0.1, False)])
async def test_a_lease_that_is_half_over_is_renewed_with_what_is_written(
    engine: AsyncEngine, left: float, renewed: bool
) -> None:
    long = timedelta(hours=1)
    turn = await turn_of(engine)
    t = tables.turns
    ends = sa.func.clock_timestamp() + left * long
    async with engine.begin() as connection:
        await connection.execute(sa.update(t).values(lease_expire_time=ends))
    before = (await read(engine, turn.id)).lease_expire_time
    async with engine.connect() as connection:
        assert await frames.append(connection, [batch(turn, b"a")], long)
    after = (await read(engine, turn.id)).lease_expire_time
    assert before is not None
    assert after is not None
    assert after - before > 0.5 * long if renewed else after == before


@pytest.mark.parametrize(("fence", "base"), [(FENCE - 1, BASE), (FENCE, BASE - 2)])
async def test_a_log_whose_turn_has_another_owner_is_lost_and_shows_nothing(
    engine: AsyncEngine, fence: int, base: int
) -> None:
    turn, other = await turn_of(engine), await turn_of(engine)
    log = FrameLog(engine, ManualClock(START))
    writing = asyncio.create_task(log.run())
    stale = log.open(turn.id, fence=fence, first=base, stored=[])
    good = log.open(other.id, fence=FENCE, first=BASE, stored=[])
    for one in (stale, good):
        await log.add(one, pb.TurnEvent(text_delta=pb.TextDelta(text="a")))
    async with asyncio.timeout(60):
        assert not await log.drain(stale)
        assert await log.drain(good)
    assert stale.lost.is_set()
    assert stale.frames == []
    assert await kept(engine, turn) == (BASE, [])
    assert await kept(engine, other) == (BASE + 1, [(BASE + 1, good.frames[0])])
    writing.cancel()
    await asyncio.wait([writing])
