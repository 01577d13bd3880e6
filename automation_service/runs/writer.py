"""Writes of all runs of this process, in batches."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.notices import events as notice_events
from automation_service.persistence import retention, run_checkpoints, run_claims, run_endings
from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import deliveries
from automation_service.persistence.outbox.deliveries import NewDelivery
from automation_service.persistence.run_checkpoints import Checkpoint
from automation_service.persistence.run_claims import Claim
from automation_service.queue import RunQueue
from automation_service.runs.batcher import Batcher
from automation_service.runs.event_log import RunEnd, RunLog, StoreError
from automation_service.runs.steps.results import StepResult
from automation_service.webhooks import events
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus
from shared.telemetry import metrics

# A larger checkpoint is written alone, so that a batch stays within some MB.
MAX_BATCHED_CHARACTERS: Final = 64 << 10


# Called in the transaction that stores deliveries to inboxes. Returns those that nobody has.
AddToInboxes = Callable[
    [AsyncConnection, Sequence[NewDelivery]], Awaitable[Collection[NewDelivery]]
]


async def _add_nothing(
    connection: AsyncConnection, sent: Sequence[NewDelivery]
) -> Collection[NewDelivery]:
    return ()


class BatchWriter:
    """Claims runs, stores their events and ends them; each kind has batches of its own."""

    def __init__(
        self,
        *,
        db: AsyncEngine,
        queue: RunQueue,
        clock: Clock,
        max_failures: int,
        max_events: int,
        on_stored: Callable[[UUID], None] = lambda run: None,
        on_delivery: Callable[[], None] = lambda: None,
        add_to_inboxes: AddToInboxes = _add_nothing,
    ) -> None:
        """`on_stored` is called with a run after events of it are committed, and `on_delivery`
        after deliveries that are to be sent are.
        """
        self._on_stored = on_stored
        self._on_delivery = on_delivery
        self._add_to_inboxes = add_to_inboxes
        self._clock = clock
        self._db = db
        self._queue = queue
        self._max_failures = max_failures
        self.max_events = max_events
        self.claims: Batcher[UUID, Claim | None] = Batcher(
            flush_many=self._claim, flush_one=self._claim_alone, key=lambda run: run
        )
        self.writes: Batcher[RunLog, bool] = Batcher(
            flush_many=self._write, flush_one=self._write_alone, key=_run_of
        )
        # One run of an automation at a time: consecutive failures are counted in order.
        self.endings: Batcher[RunEnd, bool] = Batcher(
            flush_many=self._end,
            flush_one=self._end_alone,
            key=lambda end: end.checkpoint.run,
            lane=lambda end: end.claim.automation_id,
        )

    def log(self, claim: Claim) -> RunLog:
        return RunLog(
            claim=claim,
            clock=self._clock,
            writes=self.writes,
            endings=self.endings,
            results=[StepResult.from_json(result) for result in claim.step_results],
        )

    async def close(self) -> None:
        for batcher in (self.claims, self.writes, self.endings):
            await batcher.close()

    async def claim(self, run: UUID) -> Claim | None:
        """Claims a run under a new attempt. None when the run has ended or must wait.

        Raises StoreError.
        """
        try:
            return await self.claims.submit(run)
        except Exception as fault:
            raise StoreError from fault

    async def _claim_alone(self, run: UUID) -> Claim | None:
        return (await self._claim([run], wait=True))[run]

    async def _claim(self, runs: list[UUID], *, wait: bool = False) -> dict[Hashable, Claim | None]:
        async with database.transaction(self._db) as connection:
            found = await run_claims.claim_runs(connection, runs, now=self._clock.now(), wait=wait)
            firsts = {first for first in found.values() if isinstance(first, UUID)}
            await self._queue.enqueue(connection, list(firsts))
        self._tell(run for run, one in found.items() if isinstance(one, Claim))
        return {run: one if isinstance(one, Claim) else None for run, one in found.items()}

    async def _write(self, logs: list[RunLog]) -> dict[Hashable, bool]:
        made = [checkpoint for log in logs if (checkpoint := log.take_checkpoint()) is not None]
        small = [one for one in made if one.size <= MAX_BATCHED_CHARACTERS and not one.deliveries]
        stored: set[UUID] = set()
        if small:
            async with database.autocommit(self._db) as connection:
                stored = await run_checkpoints.store(connection, small, wait=False)
        self._tell(stored)
        return {
            log.claim.run: True for log in logs if log.in_flight is None or log.claim.run in stored
        }

    async def _write_alone(self, log: RunLog) -> bool:
        if log.in_flight is None:
            return True
        if log.in_flight.deliveries:
            return await self._write_deliveries(log, log.in_flight)
        async with database.autocommit(self._db) as connection:
            stored = await run_checkpoints.store(connection, [log.in_flight], wait=True)
            if not stored and not await run_checkpoints.is_stored(connection, log.in_flight):
                return False
        self._tell([log.claim.run])
        return True

    async def _write_deliveries(self, log: RunLog, checkpoint: Checkpoint) -> bool:
        """Stores a result with its deliveries, and those of an inbox as its items."""
        async with database.transaction(self._db) as connection:
            runs, stored = await run_checkpoints.store_deliveries(
                connection, [checkpoint], wait=True
            )
            if not runs and not await run_checkpoints.is_stored(connection, checkpoint):
                return False
            new = {one.id: one for one in checkpoint.deliveries}
            sent = [new[one.id] for one in stored if one.state is DeliveryState.SENT]
            lost = (
                {one.id for one in await self._add_to_inboxes(connection, sent)} if sent else set()
            )
            if lost:
                await deliveries.fail_without_inbox(connection, sorted(lost))
        for one in stored:
            if one.state is not DeliveryState.PENDING:
                state = DeliveryState.FAILED if one.id in lost else one.state
                metrics.count("rota.deliveries", outcome=state.value)
        self._tell([log.claim.run])
        if any(one.state is DeliveryState.PENDING for one in stored):
            self._on_delivery()
        return True

    async def _end_alone(self, end: RunEnd) -> bool:
        if await self._end([end], wait=True):
            return True
        async with database.autocommit(self._db) as connection:
            return await run_checkpoints.is_stored(connection, end.checkpoint)

    async def _end(self, ends: list[RunEnd], *, wait: bool = False) -> dict[Hashable, bool]:
        by_automation = {
            end.claim.automation_id: end.checkpoint
            for end in ends
            if wait or end.checkpoint.size <= MAX_BATCHED_CHARACTERS
        }
        async with database.transaction(self._db) as connection:
            stored = await run_endings.end_runs(connection, by_automation, wait=wait)
            ended = [end for end in ends if end.checkpoint.run in stored]
            if ended:
                await self._count(connection, ended)
            if untold := [end.claim.run for end in ended if end.untold]:
                await run_endings.mark_untold(connection, untold)
        self._tell(stored)
        return {end.checkpoint.run: True for end in ended}

    def _tell(self, runs: Iterable[UUID]) -> None:
        for run in runs:
            self._on_stored(run)

    async def _count(self, connection: AsyncConnection, ended: list[RunEnd]) -> None:
        outcomes = {end.claim.automation_id: end.status for end in ended if not end.claim.backfill}
        recorded = await run_endings.record_outcomes(
            connection, outcomes, max_failures=self._max_failures, now=self._clock.now()
        )
        told = recorded.told | await self._find_told_backfills(connection, ended)
        for end in ended:
            await self._record_events(connection, end, recorded.paused, told)
            last = end.checkpoint.top
            if last > self.max_events:
                await retention.delete_events(
                    connection, end.checkpoint.run, last - self.max_events
                )
        await self._queue.enqueue(
            connection,
            await run_endings.find_next_runs(
                connection, [end.claim.automation_id for end in ended]
            ),
        )

    async def _find_told_backfills(
        self, connection: AsyncConnection, ended: Sequence[RunEnd]
    ) -> frozenset[UUID]:
        """Those of automations without a recorded outcome whose success a webhook is told of."""
        asked = [
            end.claim.automation_id
            for end in ended
            if end.claim.backfill and end.status is RunStatus.SUCCEEDED
        ]
        return await run_endings.find_told(connection, asked) if asked else frozenset()

    async def _record_events(
        self,
        connection: AsyncConnection,
        end: RunEnd,
        paused: Mapping[UUID, int],
        told: Collection[UUID],
    ) -> None:
        claim = end.claim
        if end.status is RunStatus.SUCCEEDED and claim.automation_id in told:
            last = end.checkpoint.last
            output = last.output if last is not None else None
            await events.record_run_succeeded(connection, claim, output, end.time)
        if end.status in (RunStatus.FAILED, RunStatus.TIMED_OUT):
            for record in (events.record_run_failed, notice_events.record_run_failed):
                await record(connection, claim, end.status, end.error, end.time)
        if failures := paused.get(claim.automation_id):
            for tell in (events.record_automation_paused, notice_events.record_automation_paused):
                await tell(connection, claim, failures, end.time)


def _run_of(log: RunLog) -> UUID:
    return log.claim.run
