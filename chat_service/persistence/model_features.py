"""Optional features that models refuse, and until when that is believed."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables

t = tables.model_features


async def put(connection: AsyncConnection, model: str, feature: str, until: datetime) -> None:
    row = upsert(t).values(model=model, feature=feature, until=until)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["model", "feature"], set_={"until": row.excluded.until}
        )
    )


async def list_active(
    connection: AsyncConnection, now: datetime, *, limit: int
) -> Sequence[tuple[str, str, datetime]]:
    """Returns the model, the feature and the end of each row, the newest first."""
    query = sa.select(t).where(t.c.until > now).order_by(t.c.until.desc()).limit(limit)
    return [(row.model, row.feature, row.until) for row in await connection.execute(query)]


async def delete_expired(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(sa.delete(t).where(t.c.until <= now))
