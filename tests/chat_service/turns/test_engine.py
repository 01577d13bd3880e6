"""Segments that a replica runs: begun once, ended to the end, left to others when it stops."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import turns
from chat_service.persistence.enums import TurnState
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns.segment import Segment
from tests.chat_service.replica import (
    Replica,
    renewed,
    segment,
    waits_for_a_lock,
)
from tests.chat_service.stored_turns import leave, read, store


async def test_what_another_replica_took_is_stopped_and_not_renewed(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    older = segment(turn.id)
    other = Replica(engine=engine)
    await leave(engine, turn.id)
    await other.turns.adopt_turns()
    assert await other.begun(1) == [(turn.id, 3)]
    await replica.turns.renew_leases()
    async with asyncio.timeout(60):
        await asyncio.wait([older])
    assert (await read(engine, turn.id)).lease_owner == other.turns.owner
    await other.turns.stop(0)


async def test_the_end_of_an_older_segment_leaves_the_newer_one_alone(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    older = segment(turn.id)
    replica.leaving.clear()  # the older one takes its time
    other = Replica(engine=engine)
    await leave(engine, turn.id)
    await other.turns.adopt_turns()
    await other.turns.stop(0)
    await replica.turns.renew_leases()  # it is lost
    await leave(engine, turn.id)
    await replica.turns.adopt_turns()
    assert await replica.begun(2) == [(turn.id, 2), (turn.id, 4)]
    replica.leaving.set()
    async with asyncio.timeout(60):
        await asyncio.wait([older])

    await leave(engine, turn.id)
    await replica.turns.renew_leases()
    assert await renewed(engine, turn.id)
    assert replica.turns.cancel(turn.id)


async def test_a_replica_that_stops_leaves_its_turns_to_others_at_once(
    engine: AsyncEngine, replica: Replica
) -> None:
    orphans = await store(engine, 2)
    await replica.turns.adopt_turns()
    await replica.begun(2)
    await replica.turns.stop(0)
    other = Replica(engine=engine)
    await other.turns.adopt_turns()
    assert {(await read(engine, turn.id)).fence for turn in orphans} == {3}
    await other.turns.stop(0)


async def test_a_turn_is_left_though_somebody_holds_its_row_when_the_replica_stops(
    engine: AsyncEngine, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    renew = turns.renew_leases
    async with engine.connect() as holder:

        async def renew_while_held(*given: Any) -> set[UUID]:
            done = await renew(*given)
            await holder.rollback()
            return done

        await holder.begin()
        await turns.get(holder, turn.id, lock=True)
        monkeypatch.setattr(turns, "renew_leases", renew_while_held)
        await replica.turns.stop(0)
    other = Replica(engine=engine)
    await other.turns.adopt_turns()
    assert (await read(engine, turn.id)).fence == 3
    await other.turns.stop(0)


async def test_a_segment_that_was_taken_over_before_it_began_does_not_begin(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    newer = segment(turn.id)
    replica.turns.start(Segment(turn=turn), [])  # by the fence it had before
    await asyncio.sleep(0)
    assert segment(turn.id) is newer
    assert replica.ran == [(turn.id, 2)]
    assert replica.turns.cancel(turn.id)


async def test_a_newer_segment_takes_the_place_of_one_that_still_runs(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    older = segment(turn.id)
    replica.turns.start(Segment(turn=replace(turn, fence=3)), [])
    async with asyncio.timeout(60):
        await asyncio.wait([older])
    assert await replica.begun(2) == [(turn.id, 2), (turn.id, 3)]
    assert not segment(turn.id).done()


async def test_a_segment_is_ended_though_it_is_cancelled_meanwhile(
    engine: AsyncEngine, replicas: Callable[..., Replica]
) -> None:
    replica = replicas(timeouts=Timeouts(finish_limit=0.0))
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    async with engine.begin() as connection:
        await turns.get(connection, turn.id, lock=True)
        replica.outcome.set()
        running = segment(turn.id)
        await waits_for_a_lock(engine)
        replica.turns.cancel(turn.id)
        await asyncio.wait([running], timeout=0.1)
        assert not running.done()
    async with asyncio.timeout(60):
        await asyncio.wait([running])
    found = await read(engine, turn.id)
    assert (found.state, found.fence) == (TurnState.SUCCEEDED, 2)


@pytest.mark.parametrize(
    ("cut", "state"),
    [("cancelled", TurnState.CANCELLED), ("left", TurnState.RUNNING)],
)
async def test_a_segment_that_is_cut_off_has_not_failed_whatever_it_raises(
    engine: AsyncEngine, replica: Replica, cut: str, state: TurnState
) -> None:
    (turn,) = await store(engine)
    replica.raised = RuntimeError("what a library makes of a cancellation")
    await replica.turns.adopt_turns()
    await replica.begun(1)
    running = segment(turn.id)
    if cut == "cancelled":
        replica.turns.cancel(turn.id)
        async with asyncio.timeout(60):
            await asyncio.wait([running])
    else:
        await replica.turns.stop(0)
    assert (await read(engine, turn.id)).state is state
