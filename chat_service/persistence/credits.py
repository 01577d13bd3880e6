"""Credit that users have used or reserved. Each segment of a turn has a row."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import TurnState
from shared.db.queries import take_lock

# after a lease expires; another replica takes the turn over sooner
_GRACE: Final = sa.cast(timedelta(minutes=1), sa.Interval)

t = tables.credit_reservations
turns = tables.turns

# Adds what the segment used and was not counted yet, and releases the rest of its reservation.
SETTLE_RESERVATION: Final = (
    sa.update(t)
    .where(t.c.turn_id == sa.bindparam("turn"), t.c.segment == sa.bindparam("in_segment"))
    .values(
        used_micros=t.c.used_micros + sa.bindparam("micros", type_=sa.BigInteger),
        settle_time=sa.func.coalesce(
            t.c.settle_time, sa.bindparam("now", type_=t.c.settle_time.type)
        ),
    )
)


async def lock_user(connection: AsyncConnection, user: str) -> None:
    """Blocks other reservations of the user until the transaction ends."""
    await take_lock(connection, f"credit|{user}")


async def sum_committed(
    connection: AsyncConnection,
    user: str,
    since: datetime,
    *,
    except_held_for: tuple[UUID, int] | None = None,
) -> int:
    """Returns the micros that the user has used or reserved since `since`.

    The reservation of the turn and segment `except_held_for` does not count; its use does.
    """
    holds: sa.ColumnElement[bool] = t.c.settle_time.is_(None)
    if except_held_for is not None:
        holds = holds & (sa.tuple_(t.c.turn_id, t.c.segment) != sa.tuple_(*except_held_for))
    weighs = sa.case(
        (holds, sa.func.greatest(t.c.held_micros, t.c.used_micros)),
        else_=t.c.used_micros,
    )
    query = sa.select(sa.func.coalesce(sa.func.sum(weighs), 0)).where(
        t.c.user_id == user, t.c.create_time >= since
    )
    return int(await connection.scalar(query) or 0)


async def get_held(connection: AsyncConnection, turn: UUID, segment: int) -> int:
    query = sa.select(t.c.held_micros).where(t.c.turn_id == turn, t.c.segment == segment)
    return int(await connection.scalar(query) or 0)


async def reserve(
    connection: AsyncConnection, *, turn: UUID, segment: int, user: str, micros: int, now: datetime
) -> None:
    """Reserves at least `micros` for the segment. Idempotent; never lowers a reservation."""
    row = upsert(t).values(
        turn_id=turn,
        segment=segment,
        user_id=user,
        held_micros=micros,
        used_micros=0,
        create_time=now,
    )
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["turn_id", "segment"],
            set_={"held_micros": sa.func.greatest(t.c.held_micros, row.excluded.held_micros)},
        )
    )


async def add_used(connection: AsyncConnection, turn: UUID, segment: int, micros: int) -> None:
    """Does nothing if the segment has no reservation."""
    await connection.execute(
        sa.update(t)
        .where(t.c.turn_id == turn, t.c.segment == segment)
        .values(used_micros=t.c.used_micros + micros)
    )


async def settle(
    connection: AsyncConnection, turn: UUID, segment: int, micros: int, now: datetime
) -> None:
    """Adds a use and releases the rest of its reservation; nothing without a reservation."""
    values = {"turn": turn, "in_segment": segment, "micros": micros, "now": now}
    await connection.execute(SETTLE_RESERVATION, values)


async def settle_abandoned(connection: AsyncConnection, now: datetime, *, limit: int) -> int:
    """Settles reservations of segments that no replica runs. Returns their number."""
    works = sa.exists().where(
        turns.c.id == t.c.turn_id,
        turns.c.state == TurnState.RUNNING,
        sa.func.jsonb_array_length(turns.c.segments) == t.c.segment + 1,
        turns.c.lease_expire_time > sa.func.clock_timestamp() - _GRACE,
    )
    lost = (
        sa.select(t.c.turn_id, t.c.segment)
        .where(t.c.settle_time.is_(None), ~works)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = [tuple(row) for row in await connection.execute(lost)]
    if keys:
        await connection.execute(
            sa.update(t)
            .where(sa.tuple_(t.c.turn_id, t.c.segment).in_(keys))
            .values(settle_time=now)
        )
    return len(keys)
