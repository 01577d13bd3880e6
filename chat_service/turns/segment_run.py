"""A segment that runs on this replica: its flow, its frames, its end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence.segment_end import SegmentEnds
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns import accounting
from chat_service.turns.finalize import finalize, salvage, to_failure
from chat_service.turns.frames.log import FrameLog, TurnLog
from chat_service.turns.segment import (
    Flow,
    Segment,
    SegmentCancelled,
    SegmentFailed,
    SegmentOutcome,
    SegmentSuspended,
)
from chat_service.turns.telemetry import SegmentTelemetry, outcome_name
from shared import errors
from shared.clock import Clock
from shared.db import database
from shared.security.egress import look_up_for
from shared.telemetry import logs

# How often the database may refuse the end of a turn before what it said is cleaned, and left out.
CLEANED_AT: Final = 3
EMPTIED_AT: Final = 6

log = logs.logger(__name__)


class SegmentRun:
    """Runs one segment in a task. It is the SegmentIO of the segment's flow.

    `cancelled`: the turn is stopped by a person or, with a `refusal`, for what that says.
    `left`: this replica stops, another one goes on.
    """

    def __init__(
        self,
        segment: Segment,
        turn_log: TurnLog,
        *,
        db: AsyncEngine,
        ends: SegmentEnds,
        clock: Clock,
        frame_log: FrameLog,
        delete_checkpoints: Callable[[UUID], Awaitable[None]],
        timeouts: Timeouts,
    ) -> None:
        self.segment = segment
        self.log = turn_log
        self.cancelled = False
        self.refusal: errors.RotaError | None = None
        self.left = False
        self.task: asyncio.Task[None] | None = None
        self._db = db
        self._ends = ends
        self._clock = clock
        self._frame_log = frame_log
        self._delete_checkpoints = delete_checkpoints
        self._timeouts = timeouts
        self._telemetry: SegmentTelemetry | None = None
        self._lost_watch: asyncio.Task[None] | None = None
        self._finalizing = False

    def start(self, flow: Flow, on_end: Callable[["SegmentRun"], None]) -> None:
        name = f"turn {self.segment.turn.id}"
        self.task = asyncio.create_task(self._run(flow, on_end), name=name)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def lose(self) -> None:
        """Another owner has the turn: nothing more is written."""
        self.log.lost.set()
        self.log.wake()

    def start_span(self) -> None:
        if self._telemetry is None:
            self._telemetry = SegmentTelemetry(self.segment)

    async def write(self, frame: pb.TurnEvent) -> None:
        self.segment.message.add(frame)
        await self._frame_log.add(self.log, frame)

    async def flush(self) -> bool:
        return await self._frame_log.drain(self.log)

    def record_first_token(self) -> None:
        if self._telemetry is not None:
            self._telemetry.record_first_token()

    def record_fallback(self, config_id: int) -> None:
        if self._telemetry is not None:
            self._telemetry.record_fallback(config_id)

    async def finalize(self, outcome: SegmentOutcome) -> None:
        """Retries until the end is stored or the turn is lost."""
        self._finalizing = True
        self._stop_lost_watch()
        await self._shield(self._finalize(outcome))

    async def _run(self, flow: Flow, on_end: Callable[["SegmentRun"], None]) -> None:
        try:
            self._lost_watch = asyncio.create_task(self._cancel_when_lost())
            with look_up_for(self.segment.turn.workspace_id):
                await self._run_flow(flow)
        finally:
            self._stop_lost_watch()
            if self.log.lost.is_set():
                log.warning("turn_lost", turn=self.segment.turn_name)
            self._record_end(None)
            self._frame_log.close(self.log)
            on_end(self)

    async def _run_flow(self, flow: Flow) -> None:
        try:
            await flow(self.segment, self)
            if not self._finalizing:
                raise AssertionError("a flow ends with finalize")
        except (asyncio.CancelledError, Exception) as error:
            if self._finalizing:
                raise
            outcome = self._outcome_of(error)
            if outcome is not None:
                await self.finalize(outcome)
            elif not self.log.lost.is_set():
                self._stop_lost_watch()
                await self._shield(self._leave())

    def _outcome_of(self, error: BaseException) -> SegmentOutcome | None:
        """None: the turn is left to another owner."""
        cut_off = self.cancelled or self.left or self.log.lost.is_set()
        # A flow that is cut off may raise any error.
        if cut_off or isinstance(error, asyncio.CancelledError):
            if not self.cancelled or self.log.lost.is_set():
                return None
            return SegmentFailed(self.refusal) if self.refusal else SegmentCancelled()
        return to_failure(self.segment, error)

    async def _shield(self, end: Coroutine[Any, Any, None]) -> None:
        """A cancellation waits for the end to be stored; a stop waits for a moment only."""
        task = asyncio.ensure_future(end)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if self.left:
                    await asyncio.wait([task], timeout=self._timeouts.finish_limit)
                    task.cancel()
                    raise

    async def _finalize(self, outcome: SegmentOutcome) -> None:
        segment, refused = self.segment, 0
        while not self.log.lost.is_set():
            try:
                ended = await finalize(
                    self._db,
                    self._ends,
                    self._frame_log,
                    self._clock,
                    segment,
                    self.log,
                    outcome,
                )
            except Exception as error:  # noqa: BLE001 - tried again while the lease is ours
                log.warning("turn_not_ended", turn=segment.turn_name, error=type(error).__name__)
                refused += database.translate(error) is None
                if refused in (CLEANED_AT, EMPTIED_AT):
                    outcome = salvage(segment, error, whole=refused < EMPTIED_AT)
                await asyncio.sleep(self._timeouts.finish_retry_interval)
                continue
            if ended is None:  # another owner has it
                self.log.lost.set()
            else:
                self._record_end(ended)
                _log_end(segment, ended)
                if not isinstance(ended, SegmentSuspended):
                    with contextlib.suppress(errors.ServiceUnavailable):  # swept later
                        await self._delete_checkpoints(segment.turn.id)
            return

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._timeouts.finish_limit):
                await accounting.record_unreported(self._db, self.segment)
        except Exception as error:  # noqa: BLE001 - whoever goes on needs none of it
            name = self.segment.turn_name
            log.warning("turn_not_accounted", turn=name, error=type(error).__name__)

    def _record_end(self, outcome: SegmentOutcome | None) -> None:
        if self._telemetry is not None:
            self._telemetry.record_end(outcome)

    async def _cancel_when_lost(self) -> None:
        await self.log.lost.wait()
        self.cancel()

    def _stop_lost_watch(self) -> None:
        if self._lost_watch is not None:
            self._lost_watch.cancel()


def _log_end(segment: Segment, outcome: SegmentOutcome) -> None:
    log.info(
        "turn_ended",
        turn=segment.turn_name,
        flow=segment.flow.value,
        workspace=segment.turn.workspace_id,
        config=segment.turn.model_config_id,
        outcome=outcome_name(outcome),
        reason=outcome.error.reason if isinstance(outcome, SegmentFailed) else "",
        rerouted=segment.rerouted,
    )
