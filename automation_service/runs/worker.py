"""Pending → finished: runs carried out durably, step by step."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.queue import RunQueue
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.event_log import StoreError
from automation_service.runs.executor import RunExecutor, StopReason
from automation_service.runs.writer import BatchWriter
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus
from shared.telemetry import logs, metrics

WATCH_INTERVAL_SECONDS: Final = 0.5
# Past its deadline by this, a run's own worker is taken for hung.
OVERDUE_GRACE_SECONDS: Final = 5.0
WOKEN_AT_ONCE: Final = 1000

_CANCELLED: Final = "the run was cancelled"

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class RunWorker:
    db: AsyncEngine
    queue: RunQueue
    agent: StoppableAgent
    clock: Clock
    writer: BatchWriter
    _held: dict[UUID, RunExecutor] = field(default_factory=dict, init=False)

    async def execute(self, run: UUID) -> None:
        """Does what is left of a run. Delivered twice, it is claimed once and done once."""
        claim = await self.writer.claim(run)
        if claim is None:
            return
        log.info("run_claimed", run=str(run), attempt=claim.attempt)
        try:
            executor = self._build_executor(claim)
        except ValueError as error:
            await self._fail_unreadable(claim, error)
            return
        self._held[run] = executor
        try:
            await self._run_to_end(executor)
        except AttemptFenced:
            log.warning("run_fenced", run=str(run), attempt=claim.attempt)
        finally:
            if self._held.get(run) is executor:
                del self._held[run]

    def _build_executor(self, claim: Claim) -> RunExecutor:
        """Raises ValueError for a snapshot that can't be read."""
        return RunExecutor(
            log=self.writer.log(claim), db=self.db, agent=self.agent, clock=self.clock
        )

    async def _fail_unreadable(self, claim: Claim, error: ValueError) -> None:
        error_id = str(resources.new_id())
        log.error("run_unreadable", run=str(claim.run), error_id=error_id, exc_info=error)
        with contextlib.suppress(AttemptFenced):
            await self.writer.log(claim).end(RunStatus.FAILED, errors.Internal(error_id))
            _report_end(claim, RunStatus.FAILED)

    async def _run_to_end(self, executor: RunExecutor) -> None:
        status: RunStatus = RunStatus.SUCCEEDED
        error: errors.RotaError | None = None
        limit = asyncio.timeout(max(0.0, executor.claim.seconds_left))
        try:
            _check_cancellation(executor.claim)
            _check_creator(executor.claim)
            async with limit:
                error = await executor.run()
            if error is not None:
                status = RunStatus.FAILED
        except TimeoutError:
            if not limit.expired():
                raise
            status, error = RunStatus.TIMED_OUT, executor.run_timed_out()
        except asyncio.CancelledError:
            if executor.stop_reason is None:
                raise  # handed back: another worker goes on from here
            _clear_cancellation()
            if executor.stop_reason is StopReason.FENCED:
                # Not handed back: that would take it from the worker that has it now.
                raise AttemptFenced from None
            status, error = RunStatus.CANCELLED, errors.Cancelled(_CANCELLED)
        except errors.Cancelled as refusal:
            status, error = RunStatus.CANCELLED, refusal
        except errors.RotaError as refusal:
            status, error = RunStatus.FAILED, refusal
        await executor.end_step(status)
        await executor.log.end(status, error, executor.output)
        _report_end(executor.claim, status)

    async def watch(self, stop: asyncio.Event) -> None:
        """Stops runs in hand that were cancelled, or that another worker has taken over."""
        while not stop.is_set():
            await _pause(stop, WATCH_INTERVAL_SECONDS)
            # Only those asked about: a run taken up meanwhile is in no answer.
            asked = dict(self._held)
            if not asked:
                continue
            attempts = {run: executor.claim.attempt for run, executor in asked.items()}
            try:
                async with self.db.connect() as connection:
                    seen = await rows.find_superseded_or_cancelled(connection, attempts)
            except Exception as error:
                if database.translate(error) is None:
                    log.error("watch_failed", exc_info=error)
                continue
            for run, (attempt, cancelled) in seen.items():
                executor = asked[run]
                if executor.stop_reason is not None or self._held.get(run) is not executor:
                    continue
                if attempt != executor.claim.attempt:
                    executor.stop_reason = StopReason.FENCED
                elif cancelled:
                    executor.stop_reason = StopReason.CANCEL
                else:
                    continue
                await self.queue.cancel(run)

    async def reconcile(self, stop: asyncio.Event, seconds: float) -> None:
        """Wakes runs whose token was lost, and ends those whose worker hangs."""
        while not stop.is_set():
            try:
                await self.reconcile_once()
            except Exception as error:
                if database.translate(error) is None:
                    log.error("reconcile_failed", exc_info=error)
            await _pause(stop, seconds)

    async def reconcile_once(self) -> None:
        async with self.db.connect() as connection:
            late = await rows.find_overdue(connection, OVERDUE_GRACE_SECONDS)
            metrics.set_gauge("rota.runs.waiting", await rows.count_pending(connection))
        for run in late:
            try:
                await self._time_out(run)
            except StoreError as fault:  # it stays overdue; the others are not to wait for it
                log.warning("run_not_timed_out", run=str(run), exc_info=fault)
        last: UUID | None = None
        while True:
            async with database.transaction(self.db) as connection:
                found = await rows.find_runnable(connection, last, WOKEN_AT_ONCE)
                await self.queue.enqueue(connection, found)
            if len(found) < WOKEN_AT_ONCE:
                return
            last = found[-1]

    async def _time_out(self, run: UUID) -> None:
        claim = await self.writer.claim(run)  # fences whoever holds it
        if claim is None or claim.seconds_left > 0:
            return
        with contextlib.suppress(AttemptFenced):
            try:
                executor = self._build_executor(claim)
            except ValueError as error:
                await self._fail_unreadable(claim, error)
                return
            await executor.end_step(RunStatus.TIMED_OUT)
            await executor.log.end(RunStatus.TIMED_OUT, executor.run_timed_out(), executor.output)
            _report_end(claim, RunStatus.TIMED_OUT)


def _check_cancellation(claim: Claim) -> None:
    if claim.cancel_requested:
        raise errors.Cancelled(_CANCELLED)


def _check_creator(claim: Claim) -> None:
    if not claim.creator_is_member:
        raise errors.CreatorAccessLost(
            "the automation's creator has no access to its workspace",
            metadata={"user": claim.creator or ""},
        )


def _report_end(claim: Claim, status: RunStatus) -> None:
    log.info("run_ended", run=str(claim.run), status=status.value)
    metrics.count("rota.runs", outcome=status.value)


def _clear_cancellation() -> None:
    # The cancellation has been dealt with: what follows must run to its end.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
