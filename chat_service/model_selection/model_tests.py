"""Tests of models: one at a time for each person, and charged like any other use."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.llm.config import ModelConfig
from chat_service.llm.metering import Meter
from chat_service.llm.probe.model_probe import MOST_SECONDS
from chat_service.model_selection.quota import Quota
from chat_service.persistence import credits, model_tests
from shared import errors
from shared.clock import Clock
from shared.db import database

# after which a test whose replica died no longer counts
_LASTS: Final = timedelta(seconds=2 * MOST_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTests:
    db: AsyncEngine
    clock: Clock
    quota: Quota

    @asynccontextmanager
    async def run(
        self, user: str, name: str, meter: Meter, config: ModelConfig
    ) -> AsyncGenerator[None, None]:
        """Holds the person's only test and, of a premium model, credit; then settles its use.

        Raises RateLimited while another test of the person lasts, and QuotaExceeded.
        """
        test = uuid4()
        async with database.transaction(self.db) as connection:
            now = self.clock.now()
            if not await model_tests.start(connection, user, test, now=now, until=now + _LASTS):
                raise errors.RateLimited(
                    f"you have another test that still runs; test {name} after it ends",
                    retry_after=_LASTS,
                )
            await self.quota.reserve_once(connection, test, user, config)
        try:
            yield
        finally:
            used = sum(one.cost_micros for one in meter.usage()) if config.premium else 0
            async with database.transaction(self.db) as connection:
                await credits.settle(connection, test, 0, used, self.clock.now())
                await model_tests.end(connection, user, test)
