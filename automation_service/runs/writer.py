"""Runs in hand, written down together: what all of them do goes in few transactions."""

from collections.abc import Hashable, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import retention, run_checkpoints, run_claims, run_endings
from automation_service.persistence.run_claims import Claim
from automation_service.queue import Engine
from automation_service.runs.batcher import Combiner
from automation_service.runs.event_log import End, RunLog, Unstored
from automation_service.webhooks import events
from shared.clock import Clock
from shared.db import database
from shared.definition.states import RunStatus

# In characters; what is larger goes alone, so that a batch stays within some MB.
LARGE: Final = 64 << 10


class Journal:
    """Claims runs, stores what they say and ends them: each kind in batches of its own."""

    def __init__(
        self,
        *,
        store: AsyncEngine,
        engine: Engine,
        clock: Clock,
        most_failures: int,
        most_events: int,
    ) -> None:
        self._clock = clock
        self._store = store
        self._engine = engine
        self._most_failures = most_failures
        self.most_events = most_events
        self.claims: Combiner[UUID, Claim | None] = Combiner(
            together=self._claim, alone=self._claim_alone, of=lambda run: run
        )
        self.writes: Combiner[RunLog, bool] = Combiner(
            together=self._write, alone=self._write_alone, of=_run_of
        )
        # One of an automation at a time, since each is counted.
        self.endings: Combiner[End, bool] = Combiner(
            together=self._end,
            alone=self._end_alone,
            of=lambda end: end.checkpoint.run,
            turn=lambda end: end.claim.automation_id,
        )

    def log(self, claim: Claim) -> RunLog:
        return RunLog(
            claim=claim,
            clock=self._clock,
            writes=self.writes,
            endings=self.endings,
            results=[dict(result) for result in claim.step_results],
        )

    async def close(self) -> None:
        for lane in (self.claims, self.writes, self.endings):
            await lane.close()

    async def claim(self, run: UUID) -> Claim | None:
        """A run under a new attempt; None when it has ended or must wait."""
        try:
            return await self.claims.ask(run)
        except Exception as fault:
            raise Unstored from fault

    async def _claim_alone(self, run: UUID) -> Claim | None:
        return (await self._claim([run], wait=True))[run]

    async def _claim(self, runs: list[UUID], *, wait: bool = False) -> dict[Hashable, Claim | None]:
        async with database.transaction(self._store) as connection:
            found = await run_claims.claim(connection, runs, now=self._clock.now(), wait=wait)
            firsts = {first for first in found.values() if isinstance(first, UUID)}
            await self._engine.wake(connection, list(firsts))
        return {run: one if isinstance(one, Claim) else None for run, one in found.items()}

    async def _write(self, logs: list[RunLog]) -> dict[Hashable, bool]:
        made = [checkpoint for log in logs if (checkpoint := log.take()) is not None]
        small = [checkpoint for checkpoint in made if checkpoint.size <= LARGE]
        stored: set[UUID] = set()
        if small:
            async with database.autocommit(self._store) as connection:
                stored = await run_checkpoints.store(connection, small, wait=False)
        return {
            log.claim.run: True for log in logs if log.in_hand is None or log.claim.run in stored
        }

    async def _write_alone(self, log: RunLog) -> bool:
        if log.in_hand is None:
            return True
        async with database.autocommit(self._store) as connection:
            if await run_checkpoints.store(connection, [log.in_hand], wait=True):
                return True
            return await run_checkpoints.is_stored(connection, log.in_hand)

    async def _end_alone(self, end: End) -> bool:
        if await self._end([end], wait=True):
            return True
        async with database.autocommit(self._store) as connection:
            return await run_checkpoints.is_stored(connection, end.checkpoint)

    async def _end(self, ends: list[End], *, wait: bool = False) -> dict[Hashable, bool]:
        by_automation = {
            end.claim.automation_id: end.checkpoint
            for end in ends
            if wait or end.checkpoint.size <= LARGE
        }
        async with database.transaction(self._store) as connection:
            stored = await run_endings.end(connection, by_automation, wait=wait)
            ended = [end for end in ends if end.checkpoint.run in stored]
            if ended:
                await self._count(connection, ended)
        return {end.checkpoint.run: True for end in ended}

    async def _count(self, connection: AsyncConnection, ended: list[End]) -> None:
        outcomes = {end.claim.automation_id: end.status for end in ended}
        paused = await run_endings.count(
            connection, outcomes, most_failures=self._most_failures, now=self._clock.now()
        )
        for end in ended:
            await self._tell(connection, end, paused)
            last = end.checkpoint.top
            if last > self.most_events:
                await retention.take_events(connection, end.checkpoint.run, last - self.most_events)
        await self._engine.wake(connection, await run_endings.following(connection, list(outcomes)))

    async def _tell(
        self, connection: AsyncConnection, end: End, paused: Mapping[UUID, int]
    ) -> None:
        claim = end.claim
        if end.status in (RunStatus.FAILED, RunStatus.TIMED_OUT):
            await events.run_failed(connection, claim, end.status, end.error, end.time)
        if failures := paused.get(claim.automation_id):
            await events.automation_paused(connection, claim, failures, end.time)


def _run_of(log: RunLog) -> UUID:
    return log.claim.run
