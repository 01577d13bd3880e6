"""Pending → finished: a run carried out durably, step by step."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service import steps
from automation_service.engine import Engine
from automation_service.execution import Execution, StopReason
from automation_service.persistence import execution as rows
from automation_service.persistence import retention
from automation_service.persistence.execution import Claim, Fenced
from automation_service.tries import StoppableAgent
from shared import database, errors, resources, telemetry
from shared.clock import Clock
from shared.definition import RunStatus
from shared.tenancy import Tenancy

WATCH_SECONDS: Final = 0.5
# Past its deadline by this, a run's own worker is taken for hung.
OVERDUE_GRACE_SECONDS: Final = 5.0

_CANCELLED: Final = "the run was cancelled"

log = telemetry.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Runner:
    store: AsyncEngine
    engine: Engine
    agent: StoppableAgent
    clock: Clock
    tenancy: Tenancy
    most_failures: int = 10
    most_events: int = 10_000  # kept of a run that has ended
    _held: dict[UUID, Execution] = field(default_factory=dict, init=False)

    async def carry_out(self, run: UUID) -> None:
        """Does what is left of a run. Delivered twice, it is claimed once and done once."""
        claim = await self._claim(run)
        if claim is None:
            return
        log.info("run_claimed", run=str(run), attempt=claim.attempt)
        try:
            execution = Execution(claim=claim, store=self.store, agent=self.agent, clock=self.clock)
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

    async def _give_up(self, claim: Claim, error: ValueError) -> None:
        error_id = str(resources.new_id())
        log.error("run_unreadable", run=str(claim.run), error_id=error_id, exc_info=error)
        with contextlib.suppress(Fenced):
            await self._finish(claim, RunStatus.FAILED, errors.Internal(error_id))

    async def _claim(self, run: UUID) -> Claim | None:
        async with database.transaction(self.store) as connection:
            claimed = await rows.claim(connection, run, now=self.clock.now())
            if isinstance(claimed, UUID):
                await self.engine.wake(connection, [claimed])
                return None
        return claimed

    async def _to_its_end(self, execution: Execution) -> None:
        status: RunStatus = RunStatus.SUCCEEDED
        error: errors.RotaError | None = None
        limit = asyncio.timeout(max(0.0, execution.claim.seconds_left))
        try:
            _unless_cancelled(execution.claim)
            await self._check_creator(execution.claim)
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
        await self._finish(execution.claim, status, error, execution.output)

    async def _check_creator(self, claim: Claim) -> None:
        async with self.store.connect() as connection:
            if claim.creator and await self.tenancy.is_member(
                connection, claim.workspace, claim.creator
            ):
                return
        raise errors.CreatorAccessLost(
            "the automation's creator has no access to its workspace",
            metadata={"user": claim.creator or ""},
        )

    async def _finish(
        self,
        claim: Claim,
        status: RunStatus,
        error: errors.RotaError | None,
        output: Any = None,
    ) -> None:
        said = None if error is None else steps.error_json(error)
        now = self.clock.now()
        async with database.transaction(self.store) as connection:
            # As everyone who decides on overlap has it.
            await rows.lock_owner(connection, claim.automation_id)
            last = await rows.write(
                connection,
                claim,
                {"status": status, "error": said, "output": output, "end_time": now},
                {"ended": {"state": status, "error": said}},
                now,
            )
            if last > self.most_events:
                await retention.take_events(connection, claim.run, last - self.most_events)
            await self._ended(connection, claim.automation_id, status, now)
        log.info("run_ended", run=str(claim.run), status=status.value)

    async def _ended(
        self, connection: AsyncConnection, automation_id: UUID, status: RunStatus, now: datetime
    ) -> None:
        await rows.count_ending(
            connection, automation_id, status, most_failures=self.most_failures, now=now
        )
        following = await rows.next_waiting(connection, automation_id)
        if following is not None:
            await self.engine.wake(connection, [following])

    async def watch(self, stop: asyncio.Event) -> None:
        """Stops runs in hand that were cancelled, or that another worker has taken over."""
        while not stop.is_set():
            await _pause(stop, WATCH_SECONDS)
            # Only those asked about: a run taken up meanwhile is in no answer, yet not gone.
            asked = dict(self._held)
            if not asked:
                continue
            try:
                async with self.store.connect() as connection:
                    seen = await rows.watched(connection, list(asked))
            except Exception as error:
                if database.translate(error) is None:
                    log.error("watch_failed", exc_info=error)
                continue
            for run, execution in asked.items():
                # A run that is gone was deleted: what it does elsewhere stops too.
                attempt, cancelled = seen.get(run, (execution.claim.attempt, True))
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
        for run in late:
            await self._time_out(run)
        async with database.transaction(self.store) as connection:
            await self.engine.wake(connection, await rows.startable(connection))

    async def _time_out(self, run: UUID) -> None:
        claim = await self._claim(run)  # fences whoever holds it
        if claim is None or claim.seconds_left > 0:
            return
        with contextlib.suppress(Fenced):
            try:
                execution = Execution(
                    claim=claim, store=self.store, agent=self.agent, clock=self.clock
                )
            except ValueError as error:
                await self._give_up(claim, error)
                return
            await execution.end_step(RunStatus.TIMED_OUT)
            await self._finish(
                claim, RunStatus.TIMED_OUT, execution.run_timed_out(), execution.output
            )


def _unless_cancelled(claim: Claim) -> None:
    if claim.cancel_requested:
        raise errors.Cancelled(_CANCELLED)


def _forget_cancellation() -> None:
    # The cancellation has been dealt with: what follows must run to its end.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
