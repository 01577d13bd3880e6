"""Runs that this process executes: claim, execute, stop."""

import asyncio
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.claim_burst import ClaimBurst
from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced, Claim
from automation_service.queue import RunQueue
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.end_reason import EndReason
from automation_service.runs.executor import RunExecutor, StopReason, open_executor
from automation_service.runs.writer import BatchWriter
from shared import errors
from shared.aio import wait_for_stop
from shared.clock import Clock
from shared.db import database
from shared.definition.execution import ON_FAILURE_SECONDS
from shared.definition.states import RunStatus
from shared.sandbox.pool import Sandbox
from shared.security.caller import ROLES_THAT_ACT
from shared.telemetry import logs

WATCH_INTERVAL_SECONDS: Final = 0.5
# A run with less time begins its steps at once: the end of a burst counts towards its timeout.
SHORT_SECONDS: Final = 30.0

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class RunWorker:
    """Executes the runs that the queue delivers."""

    db: AsyncEngine
    queue: RunQueue
    agent: StoppableAgent
    clock: Clock
    writer: BatchWriter
    sandbox: Sandbox
    burst: ClaimBurst = field(default_factory=ClaimBurst)
    _held: dict[UUID, RunExecutor] = field(default_factory=dict, init=False)

    async def execute(self, run: UUID) -> None:
        """Executes the remaining steps of a run. Delivered twice, a run is executed once."""
        with self.burst.hold():
            claim = await self.writer.claim(run)
        if claim is None:
            return
        log.info("run_claimed", run=str(run), attempt=claim.attempt)
        run_log = self.writer.log(claim)
        executor = await open_executor(
            run_log, db=self.db, agent=self.agent, clock=self.clock, sandbox=self.sandbox
        )
        if executor is None:
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
        try:
            end_reason = await self._run_steps(executor)
            status, error = end_reason.status, end_reason.error
        except asyncio.CancelledError:
            if executor.stop_reason is None:
                raise  # the queue gives the run to another worker
            _clear_cancellation()
            if executor.stop_reason is StopReason.FENCED:
                # Not given back: another worker holds the run.
                raise AttemptFenced from None
            if executor.stop_reason is StopReason.ACCESS_LOST:
                status, error = RunStatus.FAILED, _access_lost(executor.claim.author)
                if executor.end_reason is not None:
                    status, error = executor.end_reason.status, executor.end_reason.error
            else:
                end_reason = executor.cancellation()
                status, error = end_reason.status, end_reason.error
        except errors.RotaError as refusal:
            status, error = RunStatus.FAILED, refusal
        await executor.end_step(status)
        await executor.run_log.end(status, error, executor.output)

    async def _run_steps(self, executor: RunExecutor) -> EndReason:
        """Runs the plan, and on_failure when it failed or took too long. Says how the run ends."""
        claim = executor.claim
        if claim.cancel_requested:
            executor.stop_reason = StopReason.CANCEL
            return executor.cancellation()
        if (end_reason := executor.end_reason) is not None:
            if claim.author_role in ROLES_THAT_ACT:
                await executor.run_on_failure(claim.seconds_left)
            else:
                executor.stop_reason = StopReason.ACCESS_LOST
            return end_reason
        if claim.author_role not in ROLES_THAT_ACT:
            executor.stop_reason = StopReason.ACCESS_LOST
            error = _access_lost(claim.author, claim.author_role)
            return EndReason(status=RunStatus.FAILED, error=error)
        wait = self.burst.wait if claim.seconds_left > SHORT_SECONDS else None
        end_reason = await executor.run_plan(wait)
        if await executor.begin_on_failure(end_reason):
            await executor.run_on_failure(ON_FAILURE_SECONDS)
        return end_reason

    async def watch(self, stop: asyncio.Event) -> None:
        """Stops held runs that were cancelled, or that another worker took over.

        Also those whose author lost the access that they began with.
        """
        while not stop.is_set():
            await wait_for_stop(stop, WATCH_INTERVAL_SECONDS)
            # A copy: a run that is claimed during the query is not in its result.
            held = dict(self._held)
            if not held:
                continue
            attempts = {run: executor.claim.attempt for run, executor in held.items()}
            try:
                async with self.db.connect() as connection:
                    seen = await rows.find_runs_to_stop(connection, attempts)
            except Exception as error:  # noqa: BLE001 - the next try may succeed
                database.log_fault(log, "watch_failed", error)
                continue
            for run, found in seen.items():
                executor = held[run]
                if executor.stop_reason is not None or self._held.get(run) is not executor:
                    continue
                executor.stop_reason = _stop_reason(executor.claim, found)
                executor.cancel_error = found.cancel_error
                if executor.stop_reason is not None:
                    await self.queue.cancel(run)


def _stop_reason(claim: Claim, found: rows.RunToStop) -> StopReason | None:
    if found.attempt != claim.attempt:
        return StopReason.FENCED
    if found.cancelled:
        return StopReason.CANCEL
    return StopReason.ACCESS_LOST if found.access_lost else None


def _access_lost(author: str | None, role: str | None = None) -> errors.CreatorAccessLost:
    return errors.CreatorAccessLost(
        "the author of the run's revision may no longer act in the workspace",
        metadata={"user": author or ""} | ({"role": role} if role else {}),
    )


def _clear_cancellation() -> None:
    # The cancellation is handled here; the awaits that follow must not raise it again.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
