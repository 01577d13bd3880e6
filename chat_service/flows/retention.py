"""What is dropped in time, in small batches: old frames, requests, leftovers and lost holds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import acts, approvals, cooldowns, credits, turns
from shared import database, measures, tenancy
from shared.clock import Clock
from shared.tenancy import Tenancy

_TURNS: Final = 50
_ROWS: Final = 500
# batches of one kind in one sweep, so that no kind holds up the others
_BATCHES: Final = 20

Batch = Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """`frames_kept` is how long the frames of a turn can be replayed after its end."""

    engine: AsyncEngine
    clock: Clock
    tenancy: Tenancy
    forget: Callable[[UUID], Awaitable[None]]
    frames_kept: timedelta

    async def sweep(self) -> None:
        now = self.clock.now()
        await self._batches(
            _TURNS, lambda c: turns.drop_frames(c, now - self.frames_kept, most=_TURNS)
        )
        await self._batches(
            _ROWS, lambda c: self.tenancy.forget(c, now - tenancy.KEPT_FOR, most=_ROWS)
        )
        await self._batches(_ROWS, lambda c: credits.settle_lost(c, now, most=_ROWS))
        async with database.transaction(self.engine) as connection:
            await cooldowns.drop_over(connection, now)
            await acts.drop_over(connection)
        await self._forget_leftovers()
        async with self.engine.connect() as connection:
            measures.gauge("rota.approvals.pending", await approvals.pending(connection))

    async def _batches(self, size: int, batch: Batch) -> None:
        """One transaction each, until one was not full."""
        for _ in range(_BATCHES):
            async with database.transaction(self.engine) as connection:
                done = await batch(connection)
            if done < size:
                return

    async def _forget_leftovers(self) -> None:
        async with self.engine.connect() as connection:
            left = await turns.with_leftovers(connection, most=_TURNS)
        for turn in left:
            await self.forget(turn)
