"""Turns that are taken over: what their dead owner had stored of them, and what that had cost."""

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
from chat_service.turns import accounting
from chat_service.turns.frame_log import FrameLog
from chat_service.turns.segment import Work
from shared.aio import BackgroundTasks
from shared.db import database
from shared.telemetry import logs, metrics

# Turns whose checkpoints are read at the same time.
AT_ONCE: Final = 8
RECKON_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.5
# A reckoning that fails though the database is there goes on without its result at last.
MOST_FAILURES: Final = 3

# What calls that were cut off used; None where nobody can know.
Reckon = Callable[[Work, AbandonedSegment], Awaitable[list[ModelUsage] | None]]
Begin = Callable[[Work, list[bytes]], None]
# A segment that may go on, and its frames.
Ready = tuple[Work, list[bytes]]

log = logs.logger(__name__)


class Takeover:
    """Has a dead replica's turns go on. What they tell first is that they do.

    What the dead one's calls had cost is written with that, or neither is; of a turn that only
    ends, with its end. So it is counted once, whoever dies next.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        frame_log: FrameLog,
        tasks: BackgroundTasks,
        *,
        reckon: Reckon,
        begin: Begin,
    ) -> None:
        self.taken: dict[UUID, int] = {}  # adopted, not begun yet: turn → fence
        self._engine = engine
        self._log = frame_log
        self._tasks = tasks
        self._reckon = reckon
        self._begin = begin
        self._queue = asyncio.Semaphore(AT_ONCE)

    async def go_on(self, adopted: Sequence[Turn]) -> list[Ready]:
        """Those that have no checkpoint, to be begun; the others follow by themselves."""
        if not adopted:
            return []
        for turn in adopted:
            log.info("turn_recovered", turn=Work(turn=turn).name, fence=turn.fence)
            self.taken[turn.id] = turn.fence
        try:
            async with asyncio.timeout(RECKON_SECONDS):
                left = await self._left(adopted)
                plain = [turn for turn in adopted if not left[turn.id].checkpointed]
                ready = await self._told(plain, left)
        except Exception as error:  # noqa: BLE001 - each is tried again by itself
            log.warning("turns_not_reckoned", turns=len(adopted), error=type(error).__name__)
            ready = []
        done = {work.turn.id for work, _ in ready}
        for turn in adopted:
            if turn.id not in done:
                self._tasks.spawn(self._one(turn))
        return ready

    def begin(self, work: Work, stored: list[bytes]) -> None:
        if self.taken.get(work.turn.id) == work.turn.fence:  # else it was left to others
            del self.taken[work.turn.id]
            self._begin(work, stored)

    async def _one(self, turn: Turn) -> None:
        """Until it has begun, or is somebody else's."""
        failures = 0
        while self.taken.get(turn.id) == turn.fence:
            try:
                async with self._queue:
                    for ready in await self._another_try(turn, failures):
                        self.begin(*ready)
            except Exception as error:  # noqa: BLE001 - tried again while the lease is ours
                log.warning("turn_not_reckoned", turn=str(turn.id), error=type(error).__name__)
                late = isinstance(error, TimeoutError)
                failures += late or database.translate(error) is None
            if self.taken.get(turn.id) == turn.fence:
                await asyncio.sleep(RETRY_SECONDS)

    async def _another_try(self, turn: Turn, failures: int) -> list[Ready]:
        if failures >= MOST_FAILURES:
            return [await self._unreckoned(turn)]
        async with asyncio.timeout(RECKON_SECONDS):
            found = await self._found(turn)
            return [] if found is None else await self._told([found], await self._left([found]))

    async def _found(self, turn: Turn) -> Turn | None:
        """The turn as it is now; None, and it is let go, when somebody else has it."""
        async with self._engine.connect() as connection:
            found = await turns.get(connection, turn.id)
        if found is not None and found.fence == turn.fence:
            return found
        self.taken.pop(turn.id, None)
        return None

    async def _left(self, adopted: Sequence[Turn]) -> dict[UUID, AbandonedSegment]:
        async with self._engine.connect() as connection:
            return await turn_recovery.read_abandoned(connection, adopted)

    async def _told(
        self, adopted: Sequence[Turn], left: dict[UUID, AbandonedSegment]
    ) -> list[Ready]:
        """Reckons and writes down; answers with those of which all is written."""
        works = [_work(turn, left[turn.id]) for turn in adopted]
        told = {w.turn.id: await self._telling(w, left[w.turn.id]) for w in works}
        written = set()
        if more := [one for one in told.values() if one is not None]:
            async with self._engine.connect() as connection:
                written = await turn_recovery.store_usage(connection, more)
        ready = []
        for work in works:
            one, stored = told[work.turn.id], list(left[work.turn.id].frames)
            if one is not None and work.turn.id not in written:
                continue
            if one is not None and one.frame is not None:
                stored.append(one.frame)
                work.fold.add(pb.TurnEvent.FromString(one.frame))
            ready.append((work, stored))
        return ready

    async def _telling(self, work: Work, left: AbandonedSegment) -> RecoveredUsage | None:
        """What is to be written before the turn goes on; None for nothing."""
        cut = await self._reckon(work, left)
        if work.turn.cancel_requested:  # what it said stays
            for used in cut or ():
                work.account(used)
            return None
        frame = None if cut is None else self._retraction(work)
        if frame is None and not cut:
            return None
        return RecoveredUsage(
            turn=work.turn,
            usage=accounting.with_calls(work.turn.usage, cut or ()),
            message_usage=accounting.with_calls(left.usage, cut or ()),
            premium_micros=sum(used.cost_micros for used in cut or () if used.premium),
            frame=frame,
        )

    def _retraction(self, work: Work) -> bytes | None:
        """What was streamed is said again."""
        if not work.fold.blocks:
            return None
        retracted = pb.TextRetracted(message=work.agent_message, from_block=0)
        (frame,) = self._log.number(
            [pb.TurnEvent(text_retracted=retracted)], work.turn.last_sequence
        )
        return frame

    async def _unreckoned(self, turn: Turn) -> Ready:
        log.error("turn_goes_on_unreckoned", turn=str(turn.id))
        metrics.count("rota.turns.unreckoned")
        left = (await self._left([turn]))[turn.id]
        return _work(turn, left), list(left.frames)


def _work(turn: Turn, left: AbandonedSegment) -> Work:
    work = Work(turn=turn, recovered=True)
    for frame in left.frames:
        work.fold.add(pb.TurnEvent.FromString(frame))
    return work
