"""Models that no replica chooses until a given time."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from shared.db.statements import Statement

t = tables.model_cooldowns

# Statement: what every turn does (`python -m bench chat`).
_ACTIVE: Final = Statement(
    sa.select(t.c.model_config_id, t.c.until).where(t.c.until > sa.bindparam("now"))
)


async def extend(connection: AsyncConnection, config_id: int, until: datetime) -> None:
    """Starts or extends a cooldown. Never shortens one."""
    row = upsert(t).values(model_config_id=config_id, until=until)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["model_config_id"],
            set_={"until": sa.func.greatest(t.c.until, row.excluded.until)},
        )
    )


async def list_active(connection: AsyncConnection, now: datetime) -> dict[int, datetime]:
    """Returns the end of each cooldown by model config id."""
    rows = await _ACTIVE.rows(connection, now=now)
    return {row["model_config_id"]: row["until"] for row in rows}


async def delete_expired(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(sa.delete(t).where(t.c.until <= now))
