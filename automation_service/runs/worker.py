"""Pending → finished: runs carried out durably, step by step."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import run_maintenance as rows
from automation_service.persistence.run_claims import Claim, Fenced
from automation_service.queue import Engine
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.event_log import Unstored
from automation_service.runs.executor import Execution, StopReason
from automation_service.runs.writer import Journal
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus
from shared.telemetry import logs, metrics

WATCH_SECONDS: Final = 0.5
# Past its deadline by this, a run's own worker is taken for hung.
OVERDUE_GRACE_SECONDS: Final = 5.0
WOKEN_AT_ONCE: Final = 1000

_CANCELLED: Final = "the run was cancelled"

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Runner:
    store: AsyncEngine
    engine: Engine
    agent: StoppableAgent
    clock: Clock
    journal: Journal
    _held: dict[UUID, Execution] = field(default_factory=dict, init=False)

    async def carry_out(self, run: UUID) -> None:
        """Does what is left of a run. Delivered twice, it is claimed once and done once."""
        claim = await self.journal.claim(run)
        if claim is None:
            return
        log.info("run_claimed", run=str(run), attempt=claim.attempt)
        try:
            execution = self._execution(claim)
        except ValueError as error:
            await self._give_up(claim, error)
            return
        self._held[run] = execution
        try:
            await self._to_its_end(execution)
        except Fenced:
            log.warning("run_fenced", run=str(run), attempt=claim.attempt)
        finally:
            if self._held.get(run) is execution:
                del self._held[run]

    def _execution(self, claim: Claim) -> Execution:
        """Raises ValueError for a snapshot that can't be read."""
        return Execution(
            log=self.journal.log(claim), store=self.store, agent=self.agent, clock=self.clock
        )

    async def _give_up(self, claim: Claim, error: ValueError) -> None:
        error_id = str(resources.new_id())
        log.error("run_unreadable", run=str(claim.run), error_id=error_id, exc_info=error)
        with contextlib.suppress(Fenced):
            await self.journal.log(claim).end(RunStatus.FAILED, errors.Internal(error_id))
            _say_ended(claim, RunStatus.FAILED)

    async def _to_its_end(self, execution: Execution) -> None:
        status: RunStatus = RunStatus.SUCCEEDED
        error: errors.RotaError | None = None
        limit = asyncio.timeout(max(0.0, execution.claim.seconds_left))
        try:
            _unless_cancelled(execution.claim)
            _check_creator(execution.claim)
            async with limit:
                error = await execution.carry_out()
            if error is not None:
                status = RunStatus.FAILED
        except TimeoutError:
            if not limit.expired():
                raise
            status, error = RunStatus.TIMED_OUT, execution.run_timed_out()
        except asyncio.CancelledError:
            if execution.stopped_for is None:
                raise  # handed back: another worker goes on from here
            _forget_cancellation()
            if execution.stopped_for is StopReason.FENCED:
                # Not handed back: that would take it from the worker that has it now.
                raise Fenced from None
            status, error = RunStatus.CANCELLED, errors.Cancelled(_CANCELLED)
        except errors.Cancelled as refusal:
            status, error = RunStatus.CANCELLED, refusal
        except errors.RotaError as refusal:
            status, error = RunStatus.FAILED, refusal
        await execution.end_step(status)
        await execution.log.end(status, error, execution.output)
        _say_ended(execution.claim, status)

    async def watch(self, stop: asyncio.Event) -> None:
        """Stops runs in hand that were cancelled, or that another worker has taken over."""
        while not stop.is_set():
            await _pause(stop, WATCH_SECONDS)
            # Only those asked about: a run taken up meanwhile is in no answer.
            asked = dict(self._held)
            if not asked:
                continue
            attempts = {run: execution.claim.attempt for run, execution in asked.items()}
            try:
                async with self.store.connect() as connection:
                    seen = await rows.disturbed(connection, attempts)
            except Exception as error:
                if database.translate(error) is None:
                    log.error("watch_failed", exc_info=error)
                continue
            for run, (attempt, cancelled) in seen.items():
                execution = asked[run]
                if execution.stopped_for is not None or self._held.get(run) is not execution:
                    continue
                if attempt != execution.claim.attempt:
                    execution.stopped_for = StopReason.FENCED
                elif cancelled:
                    execution.stopped_for = StopReason.CANCEL
                else:
                    continue
                await self.engine.cancel(run)

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
        async with self.store.connect() as connection:
            late = await rows.overdue(connection, OVERDUE_GRACE_SECONDS)
            metrics.set_gauge("rota.runs.waiting", await rows.waiting(connection))
        for run in late:
            try:
                await self._time_out(run)
            except Unstored as fault:  # it stays overdue; the others are not to wait for it
                log.warning("run_not_timed_out", run=str(run), exc_info=fault)
        last: UUID | None = None
        while True:
            async with database.transaction(self.store) as connection:
                found = await rows.startable(connection, last, WOKEN_AT_ONCE)
                await self.engine.wake(connection, found)
            if len(found) < WOKEN_AT_ONCE:
                return
            last = found[-1]

    async def _time_out(self, run: UUID) -> None:
        claim = await self.journal.claim(run)  # fences whoever holds it
        if claim is None or claim.seconds_left > 0:
            return
        with contextlib.suppress(Fenced):
            try:
                execution = self._execution(claim)
            except ValueError as error:
                await self._give_up(claim, error)
                return
            await execution.end_step(RunStatus.TIMED_OUT)
            await execution.log.end(
                RunStatus.TIMED_OUT, execution.run_timed_out(), execution.output
            )
            _say_ended(claim, RunStatus.TIMED_OUT)


def _unless_cancelled(claim: Claim) -> None:
    if claim.cancel_requested:
        raise errors.Cancelled(_CANCELLED)


def _check_creator(claim: Claim) -> None:
    if not claim.welcome:
        raise errors.CreatorAccessLost(
            "the automation's creator has no access to its workspace",
            metadata={"user": claim.creator or ""},
        )


def _say_ended(claim: Claim, status: RunStatus) -> None:
    log.info("run_ended", run=str(claim.run), status=status.value)
    metrics.count("rota.runs", outcome=status.value)


def _forget_cancellation() -> None:
    # The cancellation has been dealt with: what follows must run to its end.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
