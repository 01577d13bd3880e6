"""The tools that each MCP server last listed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables

t = tables.mcp_offers


async def list_by_server(connection: AsyncConnection) -> dict[str, list[dict[str, Any]]]:
    rows = await connection.execute(sa.select(t.c.server, t.c.tools))
    return {row.server: row.tools for row in rows}


async def save(connection: AsyncConnection, server: str, tools: Sequence[Any]) -> None:
    row = insert(t).values(server=server, tools=list(tools))
    await connection.execute(
        row.on_conflict_do_update(index_elements=[t.c.server], set_={"tools": row.excluded.tools})
    )
