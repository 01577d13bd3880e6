"""The agent's port `Acts`, on a table of its own."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import acts
from shared import database


@dataclass(frozen=True, slots=True, kw_only=True)
class ActStore:
    engine: AsyncEngine

    async def begin(self, turn: UUID, key: str) -> bool:
        with database.faults_told():
            async with database.transaction(self.engine) as connection:
                return await acts.begin(connection, turn, key)
