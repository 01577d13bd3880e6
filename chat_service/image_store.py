"""Kept images, as models are given them."""

import base64
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.pictures import REFERENCE
from chat_service.persistence import images


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStore:
    """The agent's port `Images`, on the table of images."""

    engine: AsyncEngine

    async def load(self, workspace: str, uri: str) -> str | None:
        async with self.engine.connect() as connection:
            found = await images.get(connection, workspace, uri.removeprefix(REFERENCE))
        if found is None:
            return None
        return f"data:{found.mime_type};base64,{base64.b64encode(found.data).decode()}"
