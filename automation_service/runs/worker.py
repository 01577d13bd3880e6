"""Runs that this process executes: claim, execute, stop."""

import asyncio
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.queue import RunQueue
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.executor import RunExecutor, StopReason, fail_unreadable
from automation_service.runs.writer import BatchWriter
from shared import errors
from shared.aio import wait_for_stop
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus
from shared.telemetry import logs

WATCH_INTERVAL_SECONDS: Final = 0.5
_CANCELLED: Final = "the run was cancelled"

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class RunWorker:
    """Executes the runs that the queue delivers."""

    db: AsyncEngine
    queue: RunQueue
    agent: StoppableAgent
    clock: Clock
    writer: BatchWriter
    _held: dict[UUID, RunExecutor] = field(default_factory=dict, init=False)

    async def execute(self, run: UUID) -> None:
        """Executes the remaining steps of a run. Delivered twice, a run is executed once."""
        claim = await self.writer.claim(run)
        if claim is None:
            return
        log.info("run_claimed", run=str(run), attempt=claim.attempt)
        run_log = self.writer.log(claim)
        try:
            executor = RunExecutor(run_log=run_log, db=self.db, agent=self.agent, clock=self.clock)
        except ValueError as error:
            await fail_unreadable(run_log, error)
            return
        self._held[run] = executor
        try:
            await self._run_to_end(executor)
        except AttemptFenced:
            log.warning("run_fenced", run=str(run), attempt=claim.attempt)
        finally:
            if self._held.get(run) is executor:
                del self._held[run]

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
            status, error = RunStatus.TIMED_OUT, executor.build_timeout_error()
        except asyncio.CancelledError:
            if executor.stop_reason is None:
                raise  # the queue gives the run to another worker
            _clear_cancellation()
            if executor.stop_reason is StopReason.FENCED:
                # Not given back: another worker holds the run.
                raise AttemptFenced from None
            status, error = RunStatus.CANCELLED, errors.Cancelled(_CANCELLED)
        except errors.Cancelled as refusal:
            status, error = RunStatus.CANCELLED, refusal
        except errors.RotaError as refusal:
            status, error = RunStatus.FAILED, refusal
        await executor.end_step(status)
        await executor.run_log.end(status, error, executor.output)

    async def watch(self, stop: asyncio.Event) -> None:
        """Stops held runs that were cancelled or that another worker took over."""
        while not stop.is_set():
            await wait_for_stop(stop, WATCH_INTERVAL_SECONDS)
            # A copy: a run that is claimed during the query is not in its result.
            held = dict(self._held)
            if not held:
                continue
            attempts = {run: executor.claim.attempt for run, executor in held.items()}
            try:
                async with self.db.connect() as connection:
                    seen = await rows.find_superseded_or_cancelled(connection, attempts)
            except Exception as error:  # noqa: BLE001 - the next try may succeed
                database.log_fault(log, "watch_failed", error)
                continue
            for run, (attempt, cancelled) in seen.items():
                executor = held[run]
                if executor.stop_reason is not None or self._held.get(run) is not executor:
                    continue
                if attempt != executor.claim.attempt:
                    executor.stop_reason = StopReason.FENCED
                elif cancelled:
                    executor.stop_reason = StopReason.CANCEL
                else:
                    continue
                await self.queue.cancel(run)


def _check_cancellation(claim: Claim) -> None:
    if claim.cancel_requested:
        raise errors.Cancelled(_CANCELLED)


def _check_creator(claim: Claim) -> None:
    if not claim.creator_is_member:
        raise errors.CreatorAccessLost(
            "the automation's creator has no access to its workspace",
            metadata={"user": claim.creator or ""},
        )


def _clear_cancellation() -> None:
    # The cancellation is handled here; the awaits that follow must not raise it again.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
