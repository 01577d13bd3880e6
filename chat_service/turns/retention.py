"""Retention: deletes old frames, requests, tasks and leftovers in small batches."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import (
    approvals,
    credits,
    model_cooldowns,
    model_features,
    threads,
    tool_calls,
    turns,
)
from shared.clock import Clock
from shared.db import database, tenancy
from shared.db.tenancy import Tenancy
from shared.telemetry import metrics

BATCH_SIZE: Final = 50  # turns in one transaction
_ROWS: Final = 500
# batches of one kind in one sweep, so that no kind holds up the others
_BATCHES: Final = 20

DeleteBatch = Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRetention:
    """`frames_kept` is how long the frames of a turn can be replayed after its end."""

    db: AsyncEngine
    clock: Clock
    tenancy: Tenancy
    delete_checkpoints: Callable[[UUID], Awaitable[None]]
    frames_kept: timedelta
    batch_size: int = BATCH_SIZE

    async def sweep(self) -> None:
        """What fails of one kind does not keep the others from being dropped."""
        kinds = (
            self._drop_frames,
            self._forget_requests,
            self._drop_tasks,
            self._settle_lost,
            self._drop_what_is_over,
            self._forget_leftovers,
            self._measure,
        )
        failed = []
        for kind in kinds:
            try:
                await kind()
            except Exception as error:  # noqa: BLE001 - raised when all had their turn
                failed.append(error)
        if failed:
            raise ExceptionGroup("not all was swept", failed)

    async def _drop_frames(self) -> None:
        before = self.clock.now() - self.frames_kept
        size = self.batch_size
        await self._batches(size, lambda c: turns.delete_old_frames(c, before, limit=size))

    async def _forget_requests(self) -> None:
        before = self.clock.now() - tenancy.REQUEST_RETENTION
        await self._batches(_ROWS, lambda c: self.tenancy.delete_requests(c, before, most=_ROWS))

    async def _drop_tasks(self) -> None:
        before = self.clock.now() - tenancy.SESSION_RETENTION
        size = self.batch_size
        await self._batches(size, lambda c: threads.delete_old_tasks(c, before, limit=size))

    async def _settle_lost(self) -> None:
        now = self.clock.now()
        await self._batches(_ROWS, lambda c: credits.settle_abandoned(c, now, limit=_ROWS))

    async def _drop_what_is_over(self) -> None:
        async with database.transaction(self.db) as connection:
            await model_cooldowns.delete_expired(connection, self.clock.now())
            await model_features.delete_expired(connection, self.clock.now())
            await tool_calls.delete_finished(connection)

    async def _measure(self) -> None:
        async with self.db.connect() as connection:
            metrics.set_gauge("rota.approvals.pending", await approvals.count_pending(connection))

    async def _batches(self, size: int, batch: DeleteBatch) -> None:
        """One transaction each, until one was not full."""
        for _ in range(_BATCHES):
            async with database.transaction(self.db) as connection:
                done = await batch(connection)
            if done < size:
                return

    async def _forget_leftovers(self) -> None:
        async with self.db.connect() as connection:
            left = await turns.list_with_checkpoints(connection, limit=self.batch_size)
        for turn in left:
            await self.delete_checkpoints(turn)
