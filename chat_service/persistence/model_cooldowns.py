"""Models that are left alone for a while, for all replicas."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from shared.db.statements import Statement

t = tables.model_cooldowns

_COOLING: Final = Statement(
    sa.select(t.c.model_config_id, t.c.until).where(t.c.until > sa.bindparam("now"))
)


async def extend(connection: AsyncConnection, config_id: int, until: datetime) -> None:
    """Never shortens a cooldown."""
    row = upsert(t).values(model_config_id=config_id, until=until)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["model_config_id"],
            set_={"until": sa.func.greatest(t.c.until, row.excluded.until)},
        )
    )


async def list_active(connection: AsyncConnection, now: datetime) -> dict[int, datetime]:
    """The models to leave alone, and until when."""
    rows = await _COOLING.rows(connection, now=now)
    return {row["model_config_id"]: row["until"] for row in rows}


async def delete_expired(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(sa.delete(t).where(t.c.until <= now))
