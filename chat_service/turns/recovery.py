"""The recovery of turns whose replica died."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.llm.usage import ModelUsage
from chat_service.persistence import turn_recovery, turns
from chat_service.persistence.turn_recovery import AbandonedSegment, RecoveredUsage
from chat_service.persistence.turns import Turn
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns import accounting
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.segment import Segment
from shared.aio import BackgroundTasks
from shared.db import database
from shared.telemetry import logs, metrics

# Turns whose checkpoints are read at the same time.
AT_ONCE: Final = 8
# A reckoning that fails though the database is there goes on without its result at last.
MOST_FAILURES: Final = 3

# Estimates what calls that were cut off used; None if it can't be known.
LostUsageEstimate = Callable[[Segment, AbandonedSegment], Awaitable[list[ModelUsage] | None]]
SegmentStart = Callable[[Segment, list[bytes]], None]
# A segment that may start, and its stored frames.
RecoveredSegment = tuple[Segment, list[bytes]]

log = logs.logger(__name__)


class Recovery:
    """Resumes a dead replica's turns. Their first new frame retracts what the dead one streamed.

    The usage of the dead replica's calls is stored with that frame in one statement; for a turn
    that only ends, with its end. So it counts once, even if this replica dies too.
    """

    def __init__(
        self,
        db: AsyncEngine,
        frame_log: FrameLog,
        tasks: BackgroundTasks,
        *,
        estimate_lost_usage: LostUsageEstimate,
        start: SegmentStart,
        timeouts: Timeouts,
    ) -> None:
        self.taken: dict[UUID, int] = {}  # adopted, not begun yet: turn → fence
        self._db = db
        self._log = frame_log
        self._tasks = tasks
        self._estimate_lost_usage = estimate_lost_usage
        self._start = start
        self._timeouts = timeouts
        self._queue = asyncio.Semaphore(AT_ONCE)

    async def resume(self, adopted: Sequence[Turn]) -> list[RecoveredSegment]:
        """Returns the segments without a checkpoint. The others start in the background."""
        if not adopted:
            return []
        for turn in adopted:
            log.info("turn_recovered", turn=Segment(turn=turn).turn_name, fence=turn.fence)
            self.taken[turn.id] = turn.fence
        try:
            async with asyncio.timeout(self._timeouts.recovery_limit):
                left = await self._left(adopted)
                plain = [turn for turn in adopted if not left[turn.id].checkpointed]
                ready = await self._told(plain, left)
        except Exception as error:  # noqa: BLE001 - each is tried again by itself
            log.warning("turns_not_reckoned", turns=len(adopted), error=type(error).__name__)
            ready = []
        done = {segment.turn.id for segment, _ in ready}
        for turn in adopted:
            if turn.id not in done:
                self._tasks.spawn(self._one(turn))
        return ready

    def start(self, segment: Segment, stored: list[bytes]) -> None:
        if self.taken.get(segment.turn.id) == segment.turn.fence:  # else it was left to others
            del self.taken[segment.turn.id]
            self._start(segment, stored)

    async def _one(self, turn: Turn) -> None:
        """Tries until the turn has started or has another owner."""
        failures = 0
        while self.taken.get(turn.id) == turn.fence:
            try:
                async with self._queue:
                    for ready in await self._another_try(turn, failures):
                        self.start(*ready)
            except Exception as error:  # noqa: BLE001 - tried again while the lease is ours
                log.warning("turn_not_reckoned", turn=str(turn.id), error=type(error).__name__)
                late = isinstance(error, TimeoutError)
                failures += late or database.translate(error) is None
            if self.taken.get(turn.id) == turn.fence:
                await asyncio.sleep(self._timeouts.recovery_retry_interval)

    async def _another_try(self, turn: Turn, failures: int) -> list[RecoveredSegment]:
        if failures >= MOST_FAILURES:
            return [await self._without_estimate(turn)]
        async with asyncio.timeout(self._timeouts.recovery_limit):
            found = await self._found(turn)
            return [] if found is None else await self._told([found], await self._left([found]))

    async def _found(self, turn: Turn) -> Turn | None:
        """The turn as it is now; None, and it is released, when it has another owner."""
        async with self._db.connect() as connection:
            found = await turns.get(connection, turn.id)
        if found is not None and found.fence == turn.fence:
            return found
        self.taken.pop(turn.id, None)
        return None

    async def _left(self, adopted: Sequence[Turn]) -> dict[UUID, AbandonedSegment]:
        async with self._db.connect() as connection:
            return await turn_recovery.read_abandoned(connection, adopted)

    async def _told(
        self, adopted: Sequence[Turn], left: dict[UUID, AbandonedSegment]
    ) -> list[RecoveredSegment]:
        """Estimates and stores lost usage. Returns the segments of which all is stored."""
        segments = [_work(turn, left[turn.id]) for turn in adopted]
        told = {w.turn.id: await self._telling(w, left[w.turn.id]) for w in segments}
        written = set()
        if more := [one for one in told.values() if one is not None]:
            async with self._db.connect() as connection:
                written = await turn_recovery.store_usage(connection, more)
        ready = []
        for segment in segments:
            one, stored = told[segment.turn.id], list(left[segment.turn.id].frames)
            if one is not None and segment.turn.id not in written:
                continue
            if one is not None and one.frame is not None:
                stored.append(one.frame)
                segment.message.add(pb.TurnEvent.FromString(one.frame))
            ready.append((segment, stored))
        return ready

    async def _telling(self, segment: Segment, left: AbandonedSegment) -> RecoveredUsage | None:
        """What is stored before the turn resumes; None for nothing."""
        cut = await self._estimate_lost_usage(segment, left)
        if segment.turn.cancel_requested:  # what it said stays
            for used in cut or ():
                segment.count_usage(used)
            return None
        frame = None if cut is None else self._retraction(segment)
        if frame is None and not cut:
            return None
        return RecoveredUsage(
            turn=segment.turn,
            usage=accounting.add_calls(segment.turn.usage, cut or ()),
            message_usage=accounting.add_calls(left.usage, cut or ()),
            premium_micros=sum(used.cost_micros for used in cut or () if used.premium),
            frame=frame,
        )

    def _retraction(self, segment: Segment) -> bytes | None:
        """The frame that retracts what was streamed; None if nothing was."""
        if not segment.message.blocks:
            return None
        retracted = pb.TextRetracted(message=segment.agent_message_name, from_block=0)
        (frame,) = self._log.number(
            [pb.TurnEvent(text_retracted=retracted)], segment.turn.last_sequence
        )
        return frame

    async def _without_estimate(self, turn: Turn) -> RecoveredSegment:
        log.error("turn_goes_on_unreckoned", turn=str(turn.id))
        metrics.count("rota.turns.unreckoned")
        left = (await self._left([turn]))[turn.id]
        return _work(turn, left), list(left.frames)


def _work(turn: Turn, left: AbandonedSegment) -> Segment:
    segment = Segment(turn=turn, recovered=True)
    for frame in left.frames:
        segment.message.add(pb.TurnEvent.FromString(frame))
    return segment
