"""Tool calls that have started and must not be repeated."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables

t = tables.tool_acts


async def start(connection: AsyncConnection, turn: UUID, key: str) -> bool:
    """Returns False if the call has already started."""
    row = insert(t).values(turn_id=turn, key=key).on_conflict_do_nothing().returning(t.c.key)
    return await connection.scalar(row) is not None


async def delete_finished(connection: AsyncConnection) -> None:
    """Deletes the calls of turns that have ended."""
    over = sa.select(tables.turns.c.id).where(tables.turns.c.end_time.is_not(None))
    await connection.execute(sa.delete(t).where(t.c.turn_id.in_(over)))
