"""The memory of a service for what its models refuse: of this process and in the database."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.llm.config import ModelConfig
from chat_service.persistence import model_features
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs

# a provider may learn what it refuses today
KEPT: Final = timedelta(days=7)
MAX_ROWS: Final = 10_000

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMemory:
    """Each model is known by its endpoint and name; a person's own by its id and revision."""

    db: AsyncEngine
    clock: Clock
    _kept: defaultdict[str, dict[str, datetime]] = field(
        default_factory=lambda: defaultdict(dict), repr=False
    )

    async def load(self) -> None:
        """Reads what every replica has learnt."""
        async with self.db.connect() as connection:
            rows = await model_features.list_active(connection, self.clock.now(), limit=MAX_ROWS)
        self._kept.clear()
        for model, feature, until in rows:
            self._kept[model][feature] = until

    def of(self, config: ModelConfig) -> "KeptFeatures":
        return KeptFeatures(memory=self, model=_key(config))

    def left_out(self, model: str) -> frozenset[str]:
        now = self.clock.now()
        found = self._kept.get(model)
        return frozenset(f for f, until in found.items() if until > now) if found else frozenset()

    async def leave_out(self, model: str, feature: str) -> None:
        """Keeps a feature; in this process only if the database can't be reached."""
        until = self.clock.now() + KEPT
        self._kept[model][feature] = until
        try:
            async with database.transaction(self.db) as connection:
                await model_features.put(connection, model, feature, until)
        except Exception as error:  # noqa: BLE001 - the answer counts, and it is learnt again
            log.warning("model_feature_not_kept", error=type(error).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFeatures:
    """The features of one model."""

    memory: FeatureMemory
    model: str

    def left_out(self) -> frozenset[str]:
        return self.memory.left_out(self.model)

    async def leave_out(self, feature: str) -> None:
        await self.memory.leave_out(self.model, feature)


def _key(config: ModelConfig) -> str:
    named = (config.id, config.revision) if config.is_custom else (config.base_url, config.model)
    return hashlib.sha256(repr(named).encode()).hexdigest()
