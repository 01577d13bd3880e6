"""Runs to rescue: those that lost their queue entry, and those whose worker hangs."""

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import AttemptFenced
from automation_service.queue import RunQueue
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.end_reason import EndReason
from automation_service.runs.event_log import StoreError
from automation_service.runs.executor import StopReason, open_executor
from automation_service.runs.writer import BatchWriter
from shared.aio import run_every
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus
from shared.sandbox.pool import Sandbox
from shared.telemetry import logs, metrics

# A worker that has not ended its run this long after the deadline hangs.
OVERDUE_GRACE_SECONDS: Final = 5.0
BATCH_SIZE: Final = 1000

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReconciler:
    """Any number of replicas may run one at the same time."""

    db: AsyncEngine
    queue: RunQueue
    agent: StoppableAgent
    clock: Clock
    writer: BatchWriter
    sandbox: Sandbox

    async def run(self, stop: asyncio.Event, seconds: float) -> None:
        on_error = partial(database.log_fault, log, "reconcile_failed")
        await run_every(seconds, self.reconcile, stop=stop, on_error=on_error)

    async def reconcile(self) -> None:
        """Ends overdue runs without on_failure, then enqueues every run that may go on."""
        await self._end_overdue()
        await self._enqueue_runnable()

    async def _end_overdue(self) -> None:
        async with self.db.connect() as connection:
            overdue = await rows.find_overdue(connection, OVERDUE_GRACE_SECONDS)
            metrics.set_gauge("rota.runs.waiting", await rows.count_pending(connection))
        for run in overdue:
            try:
                await self._time_out(run)
            except StoreError as fault:  # the run stays overdue; the others do not wait for it
                log.warning("run_not_timed_out", run=str(run), exc_info=fault)

    async def _enqueue_runnable(self) -> None:
        last: UUID | None = None
        while True:
            async with database.transaction(self.db) as connection:
                found = await rows.find_runnable(connection, last, BATCH_SIZE)
                await self.queue.enqueue(connection, found)
            if len(found) < BATCH_SIZE:
                return
            last = found[-1]

    async def _time_out(self, run: UUID) -> None:
        claim = await self.writer.claim(run)  # fences the worker that hangs
        if claim is None or claim.seconds_left > 0:
            return
        run_log = self.writer.log(claim)
        executor = await open_executor(
            run_log, db=self.db, agent=self.agent, clock=self.clock, sandbox=self.sandbox
        )
        if executor is None:
            return
        with contextlib.suppress(AttemptFenced):
            if claim.cancel_requested:
                executor.stop_reason = StopReason.CANCEL
                end_reason: EndReason | None = executor.cancellation()
            else:
                end_reason = executor.end_reason
            if end_reason is None:
                end_reason = await executor.time_out()
                if await executor.begin_on_failure(end_reason):
                    return  # enqueued with the runs that may go on
            await executor.end_step(RunStatus.TIMED_OUT)
            await run_log.end(end_reason.status, end_reason.error, executor.output)
