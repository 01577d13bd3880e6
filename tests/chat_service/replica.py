"""A turn engine by itself, and what it leaves in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.llm.usage import ModelUsage
from chat_service.persistence import frames, messages, tables
from chat_service.persistence.turn_recovery import AbandonedSegment
from chat_service.persistence.turns import Turn
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns.engine import TurnEngine
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.frames.watch import TurnWatcher
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentIO
from chat_service.turns.segment_frames import new_agent_message
from shared.clock import ManualClock
from tests.chat_service.stored_turns import PAST, read
from tests.support.system.chat import START, until

LEASE = timedelta(minutes=10)
POOL = 8
T = tables.turns


CUT = ModelUsage(
    model="demo", input_tokens=5, output_tokens=7, cached_tokens=0, cost_micros=0, estimated=True
)


async def say(engine: AsyncEngine, turn: Turn, text: str) -> None:
    """A first frame of a turn, and the message that it is of."""
    event = pb.TurnEvent(sequence=1, text_delta=pb.TextDelta(block=0, text=text))
    async with engine.begin() as connection:
        await frames.insert(connection, turn.id, 0, [event.SerializeToString()])
        await connection.execute(sa.update(T).where(T.c.id == turn.id).values(last_sequence=1))
        await messages.insert(connection, new_agent_message(turn, START))


async def shown(engine: AsyncEngine, turn: Turn) -> list[pb.TurnEvent]:
    async with engine.connect() as connection:
        found = await frames.list_after(connection, turn.id, 0, limit=100)
    return [pb.TurnEvent.FromString(frame) for _, frame in found]


@dataclass(slots=True, kw_only=True)
class Replica:
    """A turn engine whose loops stand still, and whose flows go on until they are cut off."""

    engine: AsyncEngine
    leases: AsyncEngine | None = None  # None: the same
    timeouts: Timeouts = field(default_factory=Timeouts)
    turns: TurnEngine = field(init=False)
    ran: list[tuple[UUID, int]] = field(default_factory=list)  # turn, fence
    stopped: list[UUID] = field(default_factory=list)
    reckoning: asyncio.Event = field(default_factory=asyncio.Event)  # may be done
    reckoned: list[UUID] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)  # of the next reckonings
    meanwhile: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # once each
    cut: list[ModelUsage] | None = field(default_factory=list)  # what they find
    outcome: asyncio.Event = field(default_factory=asyncio.Event)  # is there
    raised: Exception | None = None  # by a flow that is cut off
    leaving: asyncio.Event = field(default_factory=asyncio.Event)  # flows may end

    def __post_init__(self) -> None:
        clock = ManualClock(START)
        log = FrameLog(self.engine, clock)
        self.turns = TurnEngine(
            self.engine,
            clock,
            log,
            TurnWatcher(self.engine, log, clock),
            leases=self.leases or self.engine,
            flow=self._flow,
            delete_checkpoints=self._delete_checkpoints,
            estimate_lost_usage=self._reckon,
            lease=LEASE,
            timeouts=self.timeouts,
        )
        self.reckoning.set()
        self.leaving.set()

    async def _flow(self, segment: Segment, io: SegmentIO) -> None:
        self.ran.append((segment.turn.id, segment.turn.fence))
        try:
            await self.outcome.wait()
            await io.finalize(SegmentCompleted())
        except asyncio.CancelledError:
            if self.raised is not None:
                raise self.raised from None
            raise
        finally:
            self.stopped.append(segment.turn.id)
            await self.leaving.wait()

    async def _reckon(self, segment: Segment, left: AbandonedSegment) -> list[ModelUsage] | None:
        await self.reckoning.wait()
        self.reckoned.append(segment.turn.id)
        if self.meanwhile:
            await self.meanwhile.pop()()
        if self.faults:
            raise self.faults.pop()
        return self.cut

    async def _delete_checkpoints(self, turn: UUID) -> None:
        """Nothing is kept of these."""

    async def begun(self, count: int) -> list[tuple[UUID, int]]:
        """What has begun here, in order of its ids, once it is so many."""

        async def all_begun() -> bool:
            return len(self.ran) >= count

        await until(all_begun)
        return sorted(self.ran)


async def owned(engine: AsyncEngine, owner: UUID) -> int:
    query = sa.select(sa.func.count()).where(T.c.lease_owner == owner, T.c.fence == 2)
    async with engine.connect() as connection:
        return int(await connection.scalar(query) or 0)


async def taken_over(engine: AsyncEngine, turn: Turn) -> None:
    async def owned_anew() -> bool:
        return (await read(engine, turn.id)).fence == 2

    await until(owned_anew)


async def renewed(engine: AsyncEngine, turn: UUID) -> bool:
    expires = (await read(engine, turn)).lease_expire_time
    return expires is not None and expires > PAST


def segment(turn: UUID) -> "asyncio.Task[object]":
    """The only segment of a turn that runs."""
    (found,) = (task for task in asyncio.all_tasks() if task.get_name() == f"turn {turn}")
    return found


async def waits_for_a_lock(engine: AsyncEngine) -> None:
    query = sa.text(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )

    async def waiting() -> bool:
        async with engine.connect() as connection:
            return bool(await connection.scalar(query))

    await until(waiting)
