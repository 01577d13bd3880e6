"""The log of a turn's frames: they are coalesced, numbered, stored, then shown."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import frames, turns
from chat_service.runtime.timeouts import Timeouts
from shared.aio import Notifier
from shared.clock import Clock
from shared.db import fast_connection
from shared.rpc.messages.timestamps import to_timestamp
from shared.telemetry.logs import logger

LEASE: Final = timedelta(seconds=8)
# Between two writes, so that what several turns say at about the same time goes together. The
# rest grows with each turn that a write held beyond FEW_TURNS.
MIN_REST_SECONDS: Final = 0.001
MAX_REST_SECONDS: Final = 0.020
FEW_TURNS: Final = 3
REST_SECONDS_PER_TURN: Final = 0.00125
# A turn's words wait for a write of its own only, and hardly ever for one of others.
WRITES_AT_ONCE: Final = 2
# Frames that may wait for the database before the agent waits too.
MOST_PENDING: Final = 256
LARGEST_DELTA: Final = 16_384

log = logger(__name__)


@dataclass(slots=True, kw_only=True)
class TurnLog:
    """The frames of the segment that this replica writes.

    `frames[i]` has sequence `first + i + 1`. `lost` is set when another owner took the turn.
    """

    turn: UUID
    fence: int
    first: int
    frames: list[bytes] = field(default_factory=list)
    pending: list[pb.TurnEvent] = field(default_factory=list)
    writing: list[bytes] = field(default_factory=list)
    on_its_way: bool = False  # what is `writing`; else it has failed and is tried again
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    moved: Notifier = field(default_factory=Notifier)
    due: float = 0.0  # by the loop's clock: what comes before is gathered until then
    timer: asyncio.TimerHandle | None = None

    @property
    def stored(self) -> int:
        return self.first + len(self.frames)

    def show(self, stored: Sequence[bytes]) -> None:
        self.frames.extend(stored)
        self.wake()

    def wake(self) -> None:
        self.moved.notify()


def rest_seconds(turns: int) -> float:
    """Returns how long writes rest after one that held so many turns."""
    rest = (turns - FEW_TURNS) * REST_SECONDS_PER_TURN
    return min(MAX_REST_SECONDS, max(MIN_REST_SECONDS, rest))


class FrameLog:
    """Writes the frames of all turns of this replica, many turns in one transaction."""

    def __init__(
        self,
        db: AsyncEngine,
        clock: Clock,
        *,
        lease: timedelta = LEASE,
        timeouts: Timeouts | None = None,
        rest: Callable[[int], float] = rest_seconds,
    ) -> None:
        """`lease`: of the turns whose frames it writes, which renews them.

        `rest` returns the seconds between two writes by the number of turns that the first held.
        """
        self._rest = rest
        self._lease = lease
        self._timeouts = timeouts or Timeouts()
        self._db = db
        self._clock = clock
        self._logs: dict[UUID, TurnLog] = {}
        self._dirty = asyncio.Event()
        self._hurry = Notifier()
        self._writes = asyncio.Semaphore(WRITES_AT_ONCE)

    def open(self, turn: UUID, *, fence: int, first: int, stored: Sequence[bytes]) -> TurnLog:
        opened = TurnLog(turn=turn, fence=fence, first=first, frames=list(stored))
        self._logs[turn] = opened
        return opened

    def close(self, of: TurnLog) -> None:
        if self._logs.get(of.turn) is of:
            del self._logs[of.turn]
        if of.timer is not None:
            of.timer.cancel()
        of.wake()

    def find(self, turn: UUID) -> TurnLog | None:
        return self._logs.get(turn)

    async def add(self, to: TurnLog, event: pb.TurnEvent) -> None:
        """Takes a frame; waits while the database is far behind."""
        if not (to.pending and _merge(to.pending[-1], event)):
            to.pending.append(event)
            self._when_due(to)
        while len(to.pending) >= MOST_PENDING and not to.lost.is_set():
            await to.moved.wait(to.moved.count)

    async def drain(self, of: TurnLog) -> bool:
        """Waits until all is stored; False when the turn was lost first."""
        while (of.pending or of.writing) and not of.lost.is_set():
            of.due = 0.0
            self._dirty.set()
            self._hurry.notify()
            await of.moved.wait(of.moved.count)
        return not of.lost.is_set()

    async def take(self, of: TurnLog) -> list[pb.TurnEvent] | None:
        """What is not stored yet, for the caller to store; None when the turn was lost first.

        What the caller can't store it gives back (`give_back`).
        """
        while of.writing and not of.lost.is_set():
            await of.moved.wait(of.moved.count)
        if of.lost.is_set():
            return None
        taken, of.pending = of.pending, []
        return taken

    def give_back(self, to: TurnLog, taken: Sequence[pb.TurnEvent]) -> None:
        to.pending[:0] = taken

    def number(self, events: Sequence[pb.TurnEvent], base: int) -> list[bytes]:
        now = to_timestamp(self._clock.now())
        numbered = []
        for sequence, event in enumerate(events, start=base + 1):
            event.sequence = sequence
            event.create_time.CopyFrom(now)
            numbered.append(event.SerializeToString())
        return numbered

    async def run(self) -> None:
        async with asyncio.TaskGroup() as writes:
            while True:
                await self._dirty.wait()
                await self._writes.acquire()
                self._dirty.clear()
                if ready := self._ready():
                    writes.create_task(self._write(ready))
                else:
                    self._writes.release()
                await self._hurry.wait(self._hurry.count, self._rest(len(ready)))

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        # once: to ask for it is a system call, and each word has to
        return asyncio.get_running_loop()

    def _when_due(self, of: TurnLog) -> None:
        if of.timer is not None:
            return
        if of.due <= self._loop.time():
            self._dirty.set()
        else:
            of.timer = self._loop.call_at(of.due, self._now_due, of)

    def _now_due(self, of: TurnLog) -> None:
        of.timer = None
        self._dirty.set()

    def _ready(self) -> list[TurnLog]:
        """The turns whose frames are written now. Marks them as on their way."""
        # asyncio timers may fire up to one clock resolution early.
        now = self._loop.time() + MIN_REST_SECONDS
        ready = []
        for one in self._logs.values():
            if one.on_its_way or not (one.writing or one.pending):
                continue
            if one.due > now:
                self._when_due(one)
                continue
            if not one.writing:
                one.writing = self.number(one.pending, one.stored)
                one.pending = []
            one.on_its_way = True
            ready.append(one)
        return ready

    async def _write(self, ready: Sequence[TurnLog]) -> None:
        try:
            if not await self._store(ready):
                # One turn's frames must not block another's.
                for one in ready:
                    await self._store([one])
        finally:
            self._writes.release()
            for one in ready:
                one.on_its_way = False
                if one.writing:
                    one.due = self._loop.time() + self._timeouts.frame_retry_interval
                if one.writing or one.pending:
                    self._when_due(one)

    async def _store(self, logs: Sequence[TurnLog]) -> bool:
        batches = [
            frames.FrameBatch(turn=one.turn, fence=one.fence, base=one.stored, frames=one.writing)
            for one in logs
        ]
        try:
            # One statement is a transaction of its own.
            async with fast_connection.borrow(self._db) as connection:
                accepted = await frames.append(connection, batches, self._lease)
                for one in logs:
                    if one.turn not in accepted and await _was_stored(connection, one):
                        accepted.add(one.turn)
        except Exception as error:  # noqa: BLE001 - whatever it is, the frames are kept and tried again
            log.warning("frames_not_stored", turns=len(logs), error=type(error).__name__)
            return False
        due = self._loop.time() + self._timeouts.frame_gap
        for one in logs:
            one.due = due
            stored, one.writing = one.writing, []
            if one.turn in accepted:
                one.show(stored)
            else:
                one.lost.set()
                one.wake()
        return True


async def _was_stored(connection: AsyncConnection, of: TurnLog) -> bool:
    """Whether an earlier try was committed and its answer lost."""
    turn = await turns.get(connection, of.turn)
    return (
        turn is not None
        and turn.fence == of.fence
        and turn.last_sequence == of.stored + len(of.writing)
    )


def _merge(last: pb.TurnEvent, event: pb.TurnEvent) -> bool:
    """Appends a delta to the delta before it, where both continue the same text."""
    kind = event.WhichOneof("event")
    if kind != last.WhichOneof("event"):
        return False
    match kind:
        case "text_delta" | "reasoning_delta":
            a, b = getattr(last, kind), getattr(event, kind)
            same = a.message == b.message and a.block == b.block
            if not same or len(a.text) > LARGEST_DELTA:
                return False
            a.text += b.text
            return True
        case "tool_call_args_delta":
            a, b = last.tool_call_args_delta, event.tool_call_args_delta
            if a.tool_call_id != b.tool_call_id or len(a.json) > LARGEST_DELTA:
                return False
            a.json += b.json
            return True
        case _:
            return False
