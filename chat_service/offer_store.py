"""The agent's port `Offers`, on a table of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import mcp_offers
from shared import database


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferStore:
    engine: AsyncEngine

    async def kept(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        async with self.engine.connect() as connection:
            return await mcp_offers.kept(connection)

    async def keep(self, server: str, tools: Sequence[Mapping[str, Any]]) -> None:
        async with database.transaction(self.engine) as connection:
            await mcp_offers.keep(connection, server, tools)
