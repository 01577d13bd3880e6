"""Turns of a replica that died: taken over at once, and what they had cost is counted."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import frames, messages, turn_recovery
from chat_service.persistence.turn_recovery import RecoveredUsage
from chat_service.persistence.turns import Turn
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns import accounting, recovery
from tests.chat_service.replica import (
    CUT,
    Replica,
    owned,
    say,
    shown,
    taken_over,
)
from tests.chat_service.stored_turns import leave, read, store
from tests.support.system.chat import until


async def ended(engine: AsyncEngine, turn: Turn) -> None:
    async def is_over() -> bool:
        return (await read(engine, turn.id)).end_time is not None

    await until(is_over)


async def test_all_turns_of_a_dead_replica_are_taken_over_in_one_look(
    engine: AsyncEngine, replica: Replica
) -> None:
    orphans = await store(engine, 120)
    await replica.turns.adopt_turns()
    assert await owned(engine, replica.turns.owner) == 120
    assert await replica.begun(120) == sorted((turn.id, 2) for turn in orphans)


async def test_two_replicas_share_what_a_dead_one_left(engine: AsyncEngine) -> None:
    orphans = await store(engine, 120)
    replicas = [Replica(engine=engine), Replica(engine=engine)]
    await asyncio.gather(*(one.turns.adopt_turns() for one in replicas))

    async def all_begun() -> bool:
        return sum(len(one.ran) for one in replicas) >= 120

    await until(all_begun)
    for one in replicas:
        await one.turns.stop(0)
    begun = [began for one in replicas for began in one.ran]
    assert sorted(begun) == sorted((turn.id, 2) for turn in orphans)


async def test_a_replica_does_not_take_over_what_it_runs(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    await leave(engine, turn.id)  # as after a stall
    await replica.turns.adopt_turns()
    assert (await read(engine, turn.id)).fence == 2
    assert replica.ran == [(turn.id, 2)]


async def test_a_replica_does_not_take_over_what_it_is_taking_over(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    replica.reckoning.clear()
    adopting = asyncio.create_task(replica.turns.adopt_turns())
    await taken_over(engine, turn)
    await leave(engine, turn.id)
    await replica.turns.adopt_turns()
    assert (await read(engine, turn.id)).fence == 2
    replica.reckoning.set()
    await adopting
    assert await replica.begun(1) == [(turn.id, 2)]


async def test_what_was_cut_off_is_counted_when_the_turn_shows_that_it_goes_on(
    engine: AsyncEngine, replica: Replica
) -> None:
    spoke, silent = await store(engine, 2)
    await say(engine, spoke, "what was said")
    replica.cut = [CUT]
    await replica.turns.adopt_turns()
    await replica.begun(2)
    told = await shown(engine, spoke)
    assert [event.WhichOneof("event") for event in told] == ["text_delta", "text_retracted"]
    assert [event.sequence for event in told] == [1, 2]
    found = await read(engine, spoke.id)
    assert (found.last_sequence, found.usage["output_tokens"]) == (2, CUT.output_tokens)
    async with engine.connect() as connection:
        counted = await messages.get_usage(connection, spoke.agent_message_id)
    assert counted == found.usage
    assert await shown(engine, silent) == []


async def test_what_others_count_meanwhile_is_kept(engine: AsyncEngine, replica: Replica) -> None:
    (turn,) = await store(engine)
    await say(engine, turn, "what was said")

    async def title() -> None:
        async with engine.begin() as connection:
            await accounting.add_usage(connection, turn, CUT)

    replica.cut, replica.meanwhile = [CUT], [title]
    await replica.turns.adopt_turns()
    await replica.begun(1)
    assert (await read(engine, turn.id)).usage["output_tokens"] == 2 * CUT.output_tokens
    told = await shown(engine, turn)
    assert [event.WhichOneof("event") for event in told] == ["text_delta", "text_retracted"]


async def test_what_was_said_stands_when_its_model_is_gone(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await say(engine, turn, "what was said")
    replica.cut = None
    await replica.turns.adopt_turns()
    await replica.begun(1)
    told = [event.WhichOneof("event") for event in await shown(engine, turn)]
    assert told == ["text_delta"]
    assert (await read(engine, turn.id)).usage == {}


async def test_what_was_said_stands_in_a_cancelled_turn_and_is_counted_with_its_end(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine, cancel_requested=True)
    await say(engine, turn, "what was said")
    replica.cut = [CUT]
    await replica.turns.adopt_turns()
    await ended(engine, turn)
    told = [event.WhichOneof("event") for event in await shown(engine, turn)]
    assert told == ["text_delta", "usage", "cancelled"]
    found = await read(engine, turn.id)
    assert found.usage["output_tokens"] == CUT.output_tokens
    async with engine.connect() as connection:
        assert await messages.get_usage(connection, turn.agent_message_id) == found.usage


async def test_a_cancelled_turn_is_counted_once_though_who_took_it_over_does_not_end_it(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine, cancel_requested=True)
    await say(engine, turn, "what was said")
    other = Replica(engine=engine)
    replica.cut = other.cut = [CUT]
    replica.leaving.clear()  # as if it hung
    await replica.turns.adopt_turns()
    await replica.begun(1)
    await leave(engine, turn.id)
    await other.turns.adopt_turns()
    await ended(engine, turn)
    found = await read(engine, turn.id)
    assert (found.fence, found.usage["output_tokens"]) == (3, CUT.output_tokens)
    await other.turns.stop(0)


@pytest.mark.parametrize("stale", ["fence", "last_sequence", "usage"])
async def test_of_a_turn_that_is_not_as_it_was_found_nothing_is_written(
    engine: AsyncEngine, stale: str
) -> None:
    good, changed = await store(engine, 2)
    others: dict[str, Any] = {"fence": 9, "last_sequence": 9, "usage": {"model_calls": 1}}
    told = [
        RecoveredUsage(
            turn=turn, usage={"a": 1}, message_usage={}, premium_micros=0, frame=b"frame"
        )
        for turn in (good, replace(changed, **{stale: others[stale]}))
    ]
    async with engine.connect() as connection:
        assert await turn_recovery.store_usage(connection, told) == {good.id}
    assert (await read(engine, changed.id)) == changed
    assert (await read(engine, good.id)).usage == {"a": 1}
    async with engine.connect() as connection:
        assert await frames.list_after(connection, changed.id, 0, limit=9) == []


@pytest.mark.parametrize(
    "faults",
    [
        [RuntimeError("odd")],
        [OSError("the database is away")] * 3 * recovery.MOST_FAILURES,
    ],
    ids=["for once", "while the database is away"],
)
async def test_a_reckoning_that_failed_is_tried_again_before_its_turn_goes_on(
    engine: AsyncEngine,
    replicas: Callable[..., Replica],
    faults: list[Exception],
) -> None:
    replica = replicas(timeouts=Timeouts(recovery_retry_interval=0.0))
    (turn,) = await store(engine)
    await say(engine, turn, "what was said")
    replica.faults, replica.cut = [*faults], [CUT]
    await replica.turns.adopt_turns()
    await replica.begun(1)
    assert len(replica.reckoned) == len(faults) + 1
    assert (await read(engine, turn.id)).usage["output_tokens"] == CUT.output_tokens


async def test_a_reckoning_that_never_ends_holds_no_turn_up_for_ever(
    engine: AsyncEngine, replicas: Callable[..., Replica]
) -> None:
    replica = replicas(timeouts=Timeouts(recovery_limit=0.0, recovery_retry_interval=0.0))
    await store(engine, 3 * recovery.AT_ONCE)
    replica.reckoning.clear()
    await replica.turns.adopt_turns()
    await replica.begun(3 * recovery.AT_ONCE)


@pytest.mark.parametrize("faults", [[], [RuntimeError("odd")]], ids=["at once", "after a fault"])
async def test_a_replica_that_stops_leaves_what_it_was_taking_over_too(
    engine: AsyncEngine,
    replicas: Callable[..., Replica],
    faults: list[Exception],
) -> None:
    replica = replicas(timeouts=Timeouts(recovery_retry_interval=0.0))
    (turn,) = await store(engine)
    replica.reckoning.clear()
    replica.faults = [*faults]
    adopting = asyncio.create_task(replica.turns.adopt_turns())
    await taken_over(engine, turn)
    await replica.turns.stop(0)
    replica.reckoning.set()
    await adopting
    await replica.turns.background.stop(60)
    other = Replica(engine=engine)
    await other.turns.adopt_turns()
    assert await other.begun(1) == [(turn.id, 3)]
    assert replica.ran == []
    await other.turns.stop(0)
