"""The turn engine: owns, runs and recovers the turns of this replica."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import turns
from chat_service.persistence.segment_end import SegmentEnds
from chat_service.persistence.turns import Turn
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns.frames.log import LEASE, FrameLog
from chat_service.turns.frames.watch import TurnWatcher
from chat_service.turns.recovery import LostUsageEstimate, RecoveredSegment, Recovery
from chat_service.turns.segment import Flow, Segment
from chat_service.turns.segment_run import SegmentRun
from shared import errors
from shared.aio import BackgroundTasks, run_every
from shared.clock import Clock
from shared.telemetry import logs

# Renewals within the time of one lease.
RENEWALS: Final = 4
# A write of frames locks the turn's row for a moment, in which the lease can't be renewed.
LOCKED_SECONDS: Final = 0.02
LOCKED_AT_MOST: Final = 5
ADOPT_SECONDS: Final = 2.0
ADOPT_BATCH: Final = 50
# Limits openings in a transaction, so that many at once do not delay turns that stream.
MAX_CONCURRENT_OPENINGS: Final = 1
log = logs.logger(__name__)


class TurnEngine:
    """Runs the turns that this replica owns, and recovers those whose owner died."""

    def __init__(
        self,
        db: AsyncEngine,
        clock: Clock,
        frame_log: FrameLog,
        watcher: TurnWatcher,
        *,
        leases: AsyncEngine,
        flow: Flow,
        delete_checkpoints: Callable[[UUID], Awaitable[None]],
        estimate_lost_usage: LostUsageEstimate,
        check_streams: Callable[[], Awaitable[None]] | None = None,
        lease: timedelta = LEASE,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`leases` has one connection, which only lease renewals use.

        `check_streams` ends the streams of those who lost access. It is called before their turns
        fail, so that a stream ends with the refusal and not with the turn.
        """
        self.owner = uuid4()
        self.lease = lease
        self._timeouts = timeouts or Timeouts()
        self._db = db
        self._ends = SegmentEnds(db)
        self._leases = leases
        self._clock = clock
        self._log = frame_log
        self._watcher = watcher
        self._flow = flow
        self._delete_checkpoints = delete_checkpoints
        self._check_streams = check_streams
        self._running: dict[UUID, SegmentRun] = {}
        self._stopping = False
        # Transactions that open segments: once one commits, its segment must start.
        self.background = BackgroundTasks(at_once=MAX_CONCURRENT_OPENINGS)
        self._recovery = Recovery(
            db,
            frame_log,
            self.background,
            estimate_lost_usage=estimate_lost_usage,
            start=self._start_again,
            timeouts=self._timeouts,
        )

    def start(self, segment: Segment, stored: list[bytes]) -> None:
        """Runs a segment whose lease this replica holds; `stored` are its first frames."""
        turn = segment.turn
        before = self._running.get(turn.id)
        if before is not None:
            if before.log.fence >= turn.fence:  # taken over before it began
                return
            before.lose()
        if not segment.recovered:  # whoever took it over has read them
            for frame in stored:
                segment.message.add(pb.TurnEvent.FromString(frame))
        turn_log = self._log.open(turn.id, fence=turn.fence, first=turn.segments[-1], stored=stored)
        run = SegmentRun(
            segment,
            turn_log,
            db=self._db,
            ends=self._ends,
            clock=self._clock,
            frame_log=self._log,
            delete_checkpoints=self._delete_checkpoints,
            timeouts=self._timeouts,
        )
        self._running[turn.id] = run
        run.start(self._flow, self._remove)
        self._watcher.poke(turn.id)

    def cancel(self, turn: UUID, refusal: errors.RotaError | None = None) -> bool:
        """Cancels the turn if it runs here. With a refusal it fails instead, and says why."""
        running = self._running.get(turn)
        if running is None or running.cancelled:
            return running is not None
        running.cancelled, running.refusal = True, refusal
        # After the task's first step: one cancelled before it would never clean up.
        asyncio.get_running_loop().call_soon(running.cancel)
        return True

    async def run(self) -> None:
        """Renews leases, polls for cancellations and adopts orphans, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(
                run_every(self.renew_seconds, self.renew_leases, on_error=_log_upkeep_failure)
            )
            group.create_task(
                run_every(
                    self._timeouts.cancel_poll_interval,
                    self.check_cancel_requests,
                    on_error=_log_upkeep_failure,
                )
            )
            group.create_task(
                run_every(ADOPT_SECONDS, self.adopt_turns, on_error=_log_upkeep_failure)
            )

    async def stop(self, grace_seconds: float) -> None:
        """Waits for turns to end, then releases the others to another replica."""
        self._stopping = True
        await self.background.stop(self._timeouts.finish_limit)
        tasks = [run.task for run in self._running.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        left = self._held()
        self._recovery.taken.clear()
        for running in self._running.values():
            running.left = True
            running.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release(left)

    async def renew_leases(self) -> None:
        """Renews the leases of the turns here, and stops turns that were lost."""
        held = self._held()
        if not held:
            return
        async with self._lease_connection() as connection:
            await self._renew(connection, held, self.lease)
            for turn, fence in held.items():
                # A segment may have ended, and its lease with it, since the list was made.
                running = self._running.get(turn)
                if running is not None and running.log.fence == fence:
                    await _check_lost(connection, running)

    async def _renew(self, on: AsyncConnection, held: dict[UUID, int], lease: timedelta) -> None:
        """Leaves in `held` the turns that it could not renew."""
        for _ in range(LOCKED_AT_MOST):
            for turn in await turns.renew_leases(on, self.owner, held, lease):
                del held[turn]
            if not held:
                return
            await asyncio.sleep(LOCKED_SECONDS)

    async def check_cancel_requests(self) -> None:
        """Cancels the turns here whose cancellation another replica stored.

        Ends those whose requester was revoked or is a viewer by now.
        """
        if self._running:
            async with self._lease_connection() as connection:
                asked = await turns.find_turns_to_stop(connection, list(self._running))
            if self._check_streams is not None and self._loses_access(asked):
                await self._check_streams()
            for turn, lost_by in asked.items():
                self.cancel(turn, None if lost_by is None else _access_lost(lost_by))

    def _loses_access(self, asked: Mapping[UUID, str | None]) -> bool:
        """Whether a turn will fail now because its requester lost access."""
        return any(
            lost_by is not None and turn in self._running and not self._running[turn].cancelled
            for turn, lost_by in asked.items()
        )

    async def adopt_turns(self) -> None:
        """Recovers all turns whose owner died. Some start later, in the background."""
        ready: list[RecoveredSegment] = []
        try:
            while len(adopted := await self._adopted()) == ADOPT_BATCH:
                ready += await self._recovery.resume(adopted)
            ready += await self._recovery.resume(adopted)
        finally:  # streams of the first would delay the last
            for segment, stored in () if self._stopping else ready:
                self._recovery.start(segment, stored)

    async def _adopted(self) -> list[Turn]:
        if self._stopping:
            return []
        # A turn that runs here is no orphan, even if its lease has run out.
        live = [turn for turn, r in self._running.items() if not r.log.lost.is_set()]
        async with self._db.connect() as connection:
            adopted = await turns.adopt_orphans(
                connection,
                owner=self.owner,
                lease=self.lease,
                live=[*live, *self._recovery.taken],
                limit=ADOPT_BATCH,
            )
        if self._stopping:
            await self._release({turn.id: turn.fence for turn in adopted})
            return []
        return adopted

    @property
    def renew_seconds(self) -> float:
        return self.lease.total_seconds() / RENEWALS

    def _held(self) -> dict[UUID, int]:
        # A turn that was lost here may have been adopted here, and not have started again.
        running = {turn: r.log.fence for turn, r in self._running.items()}
        return {**running, **self._recovery.taken}

    async def _release(self, held: dict[UUID, int]) -> None:
        if held:
            with contextlib.suppress(Exception):  # the lease runs out by itself soon
                async with self._db.connect() as connection:
                    await self._renew(connection, held, timedelta(0))

    def _remove(self, run: SegmentRun) -> None:
        turn = run.segment.turn.id
        if self._running.get(turn) is run:  # and not a later segment's
            del self._running[turn]

    @contextlib.asynccontextmanager
    async def _lease_connection(self) -> AsyncIterator[AsyncConnection]:
        """The connection of the leases. A connection that does not answer is replaced."""
        async with asyncio.timeout(self.renew_seconds), self._leases.connect() as connection:
            yield connection

    def _start_again(self, segment: Segment, stored: list[bytes]) -> None:
        self.start(segment, stored)
        if segment.turn.cancel_requested:
            self.cancel(segment.turn.id)


async def _check_lost(connection: AsyncConnection, run: SegmentRun) -> None:
    turn = await turns.get(connection, run.segment.turn.id)
    if turn is None or turn.fence != run.log.fence:
        run.lose()


def _access_lost(user: str) -> errors.CreatorAccessLost:
    return errors.CreatorAccessLost(
        "the person for whom the turn acts may no longer act in the workspace",
        metadata={"user": user},
    )


def _log_upkeep_failure(error: Exception) -> None:
    log.warning("turn_keeping_failed", error=type(error).__name__)
