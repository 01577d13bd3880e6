"""Leases of turns: kept while their replica lives, taken over at once when it died."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.flows import takeover
from chat_service.flows.frame_log import FrameLog
from chat_service.flows.tail import Tails
from chat_service.flows.turn import TurnEngine
from chat_service.flows.work import Outcome, Work
from chat_service.persistence import tables
from devstack.postgres_roles import ServiceDatabases
from shared import database
from shared.clock import ManualClock
from tests.chat_service.stored_turns import PAST, leave, read, store
from tests.support.chat import START, until

LEASE = timedelta(minutes=10)
T = tables.turns


@dataclass(slots=True, kw_only=True)
class Replica:
    """A turn engine whose loops stand still, and whose flows go on until they are cut off."""

    engine: AsyncEngine
    turns: TurnEngine = field(init=False)
    ran: list[tuple[UUID, int]] = field(default_factory=list)  # turn, fence
    reckoning: asyncio.Event = field(default_factory=asyncio.Event)  # may be done
    leaving: asyncio.Event = field(default_factory=asyncio.Event)  # flows may end

    def __post_init__(self) -> None:
        clock = ManualClock(START)
        log = FrameLog(self.engine, clock)
        self.turns = TurnEngine(
            self.engine,
            clock,
            log,
            Tails(self.engine, log, clock),
            flow=self._flow,
            forget=self._forget,
            reckon=self._reckon,
            lease=LEASE,
        )
        self.reckoning.set()
        self.leaving.set()

    async def _flow(self, work: Work) -> AsyncGenerator[pb.TurnEvent | Outcome, None]:
        self.ran.append((work.turn.id, work.turn.fence))
        try:
            await asyncio.Event().wait()
            yield pb.TurnEvent()
        finally:
            await self.leaving.wait()

    async def _reckon(self, work: Work, stored: list[bytes]) -> None:
        await self.reckoning.wait()

    async def _forget(self, turn: UUID) -> None:
        """Nothing is kept of these."""

    async def begun(self, count: int) -> list[tuple[UUID, int]]:
        """What has begun here, in order of its ids, once it is so many."""

        async def all_begun() -> bool:
            return len(self.ran) >= count

        await until(all_begun)
        return sorted(self.ran)


@pytest.fixture
async def engine(chat_databases: ServiceDatabases) -> AsyncIterator[AsyncEngine]:
    made = database.engine(chat_databases.chat, schema=tables.SCHEMA, pool_size=8)
    yield made
    await made.dispose()


@pytest.fixture
async def replica(engine: AsyncEngine) -> AsyncIterator[Replica]:
    one = Replica(engine=engine)
    yield one
    one.reckoning.set()
    one.leaving.set()
    await one.turns.stop(0)


async def owned(engine: AsyncEngine, owner: UUID) -> int:
    query = sa.select(sa.func.count()).where(T.c.lease_owner == owner, T.c.fence == 2)
    async with engine.connect() as connection:
        return int(await connection.scalar(query) or 0)


async def test_all_turns_of_a_dead_replica_are_taken_over_in_one_look(
    engine: AsyncEngine, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RECKON_SECONDS", "ALL_RECKONED_SECONDS"):
        monkeypatch.setattr(takeover, name, 3600.0)
    orphans = await store(engine, 120)
    replica.reckoning.clear()  # as slow as can be
    await replica.turns.adopt()
    assert await owned(engine, replica.turns.owner) == 120
    assert replica.ran == []
    replica.reckoning.set()
    assert await replica.begun(120) == sorted((turn.id, 2) for turn in orphans)


@pytest.mark.parametrize("limit", ["RECKON_SECONDS", "ALL_RECKONED_SECONDS"])
async def test_a_reckoning_that_takes_too_long_holds_no_turn_up(
    engine: AsyncEngine, replica: Replica, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    for name in ("RECKON_SECONDS", "ALL_RECKONED_SECONDS"):
        monkeypatch.setattr(takeover, name, 0.0 if name == limit else 3600.0)
    await store(engine, 3 * takeover.AT_ONCE)
    replica.reckoning.clear()
    await replica.turns.adopt()
    await replica.begun(3 * takeover.AT_ONCE)


async def test_two_replicas_share_what_a_dead_one_left(engine: AsyncEngine) -> None:
    orphans = await store(engine, 120)
    replicas = [Replica(engine=engine), Replica(engine=engine)]
    await asyncio.gather(*(one.turns.adopt() for one in replicas))

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
    await replica.turns.adopt()
    await replica.begun(1)
    await leave(engine, turn.id)  # as after a stall
    await replica.turns.adopt()
    assert (await read(engine, turn.id)).fence == 2
    assert replica.ran == [(turn.id, 2)]


async def test_a_replica_does_not_take_over_what_it_is_taking_over(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    replica.reckoning.clear()
    await replica.turns.adopt()
    await leave(engine, turn.id)
    await replica.turns.adopt()
    assert (await read(engine, turn.id)).fence == 2
    replica.reckoning.set()
    assert await replica.begun(1) == [(turn.id, 2)]


async def renewed(engine: AsyncEngine, turn: UUID) -> bool:
    expires = (await read(engine, turn)).lease_expire_time
    return expires is not None and expires > PAST


async def test_a_late_lease_is_renewed_all_the_same(engine: AsyncEngine, replica: Replica) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt()
    await replica.begun(1)
    await leave(engine, turn.id)
    await replica.turns.renew()
    assert await renewed(engine, turn.id)


async def test_a_lease_is_renewed_while_its_turn_is_being_taken_over(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    replica.reckoning.clear()
    await replica.turns.adopt()
    await leave(engine, turn.id)
    await replica.turns.renew()
    assert await renewed(engine, turn.id)


@pytest.mark.parametrize("seconds", [2, 8, 60])
def test_a_lease_of_any_length_is_renewed_several_times_before_it_runs_out(seconds: int) -> None:
    given: Any = None
    engine = TurnEngine(
        given,
        given,
        given,
        given,
        flow=given,
        forget=given,
        reckon=given,
        lease=timedelta(seconds=seconds),
    )
    assert engine.renew_seconds * 4 <= seconds


def segment(turn: UUID) -> "asyncio.Task[object]":
    """The only segment of a turn that runs."""
    (found,) = (task for task in asyncio.all_tasks() if task.get_name() == f"turn {turn}")
    return found


async def test_what_another_replica_took_is_stopped_and_not_renewed(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt()
    await replica.begun(1)
    older = segment(turn.id)
    other = Replica(engine=engine)
    await leave(engine, turn.id)
    await other.turns.adopt()
    assert await other.begun(1) == [(turn.id, 3)]
    await replica.turns.renew()
    async with asyncio.timeout(60):
        await asyncio.wait([older])
    assert (await read(engine, turn.id)).lease_owner == other.turns.owner
    await other.turns.stop(0)


async def test_the_end_of_an_older_segment_leaves_the_newer_one_alone(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt()
    await replica.begun(1)
    older = segment(turn.id)
    replica.leaving.clear()  # the older one takes its time
    other = Replica(engine=engine)
    await leave(engine, turn.id)
    await other.turns.adopt()
    await other.turns.stop(0)
    await replica.turns.renew()  # it is lost
    await leave(engine, turn.id)
    await replica.turns.adopt()
    assert await replica.begun(2) == [(turn.id, 2), (turn.id, 4)]
    replica.leaving.set()
    async with asyncio.timeout(60):
        await asyncio.wait([older])

    await leave(engine, turn.id)
    await replica.turns.renew()
    assert await renewed(engine, turn.id)
    assert replica.turns.stop_model(turn.id)


async def test_a_replica_that_stops_leaves_its_turns_to_others_at_once(
    engine: AsyncEngine, replica: Replica
) -> None:
    orphans = await store(engine, 2)
    await replica.turns.adopt()
    await replica.begun(2)
    await replica.turns.stop(0)
    other = Replica(engine=engine)
    await other.turns.adopt()
    assert {(await read(engine, turn.id)).fence for turn in orphans} == {3}
    await other.turns.stop(0)
