"""The tests of models that people have begun, one each."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables

t = tables.model_tests


async def start(
    connection: AsyncConnection, user: str, test: UUID, *, now: datetime, until: datetime
) -> bool:
    """Starts a test that lasts until `until` at most. Returns False while another one lasts."""
    row = upsert(t).values(user_id=user, test=test, until=until)
    query = row.on_conflict_do_update(
        index_elements=["user_id"],
        set_={"test": row.excluded.test, "until": row.excluded.until},
        where=t.c.until <= now,
    )
    done = await connection.execute(query.returning(t.c.user_id))
    return done.one_or_none() is not None


async def end(connection: AsyncConnection, user: str, test: UUID) -> None:
    await connection.execute(sa.delete(t).where(t.c.user_id == user, t.c.test == test))
