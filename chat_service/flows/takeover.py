"""A turn that is taken over: what its dead owner had stored of it, and what that had cost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.flows.work import Work
from chat_service.persistence import frames
from chat_service.persistence.turns import Turn
from shared import telemetry

AT_ONCE: Final = 8
RECKON_SECONDS: Final = 2.0
# From the adoption on, with the wait for those adopted before.
ALL_RECKONED_SECONDS: Final = 8.0

log = telemetry.logger(__name__)


class Takeover:
    """Prepares a dead replica's turns to go on, a few at a time."""

    def __init__(
        self, engine: AsyncEngine, reckon: Callable[[Work, list[bytes]], Awaitable[None]]
    ) -> None:
        self._engine = engine
        self._reckon = reckon
        self._queue = asyncio.Semaphore(AT_ONCE)

    async def prepared(self, turn: Turn) -> tuple[Work, list[bytes]]:
        """The work that goes on, and the frames that its segment has."""
        give_up = asyncio.get_running_loop().time() + ALL_RECKONED_SECONDS
        work = Work(turn=turn, recovered=True)
        log.info("turn_recovered", turn=work.name, fence=turn.fence)
        async with self._queue:
            stored = await self._stored(turn)
            try:
                async with asyncio.timeout_at(give_up), asyncio.timeout(RECKON_SECONDS):
                    await self._reckon(work, stored)
            except Exception as error:  # noqa: BLE001 - it goes on whatever it cost before
                log.warning("turn_not_reckoned", turn=work.name, error=type(error).__name__)
        return work, stored

    async def _stored(self, turn: Turn) -> list[bytes]:
        async with self._engine.connect() as connection:
            found = await frames.after(connection, turn.id, turn.segments[-1], most=1_000_000)
        return [frame for _, frame in found]
