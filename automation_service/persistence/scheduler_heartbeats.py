"""Heartbeats of schedulers, and downtimes without one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import downtimes, heartbeats

_ONE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """A span without a scheduler."""

    start: datetime
    end: datetime


async def record_heartbeat(
    connection: AsyncConnection, now: datetime, silence: timedelta
) -> Downtime | None:
    """Records that a scheduler runs. Records and returns a downtime longer than `silence`."""
    seen = await connection.scalar(
        sa.select(heartbeats.c.seen_time).where(heartbeats.c.id == _ONE).with_for_update()
    )
    moved = {"seen_time": sa.func.greatest(heartbeats.c.seen_time, now)}
    await connection.execute(
        insert(heartbeats)
        .values(id=_ONE, seen_time=now)
        .on_conflict_do_update(index_elements=["id"], set_=moved)
    )
    if seen is None or now - seen <= silence:
        return None
    await connection.execute(
        insert(downtimes).values(from_time=seen, to_time=now).on_conflict_do_nothing()
    )
    return Downtime(start=seen, end=now)


async def list_downtimes(
    connection: AsyncConnection, moment: datetime, limit: int = 100
) -> Sequence[Downtime]:
    """Lists downtimes that ended after a moment, latest first."""
    rows = await connection.execute(
        sa.select(downtimes)
        .where(downtimes.c.to_time > moment)
        .order_by(downtimes.c.from_time.desc())
        .limit(limit)
    )
    return [Downtime(start=row.from_time, end=row.to_time) for row in rows]
