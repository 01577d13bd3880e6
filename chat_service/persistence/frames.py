"""Frames of turns. One statement numbers and stores them; readers page through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from shared.db import database

t = tables.turn_events

# Rows are locked in id order, so that two batches never deadlock.
# The statement also renews a lease whose second half has begun: while slow appends hold the row,
# the renewal skips it each time.
_APPEND: Final = """
with batch as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::int[])
    as b(turn_id, fence, base, count)
), held as (
  select u.id from chat.turns u join batch b on b.turn_id = u.id
   where u.fence = b.fence and u.last_sequence = b.base and u.state = 'running'
   order by u.id for no key update of u
), advanced as (
  update chat.turns u
     set last_sequence = b.base + b.count,
         lease_expire_time = case
           when u.lease_expire_time between clock_timestamp()
                                        and clock_timestamp() + $8::interval / 2
           then clock_timestamp() + $8::interval
           else u.lease_expire_time
         end
    from batch b where u.id = b.turn_id and u.id in (select id from held)
  returning u.id
), stored as (
  insert into chat.turn_events (turn_id, sequence, frame)
  select f.turn_id, f.sequence, f.frame
    from unnest($5::uuid[], $6::int[], $7::bytea[]) as f(turn_id, sequence, frame)
   where f.turn_id in (select id from advanced)
  returning 1
)
select id from advanced
"""


_INSERT: Final = """
insert into chat.turn_events (turn_id, sequence, frame)
select $1, $2::int + f.number, f.frame
  from unnest($3::bytea[]) with ordinality as f(frame, number)
"""

_AFTER: Final = """
select sequence, frame from chat.turn_events
 where turn_id = $1 and sequence > $2 and ($3::int is null or sequence <= $3)
 order by sequence limit $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBatch:
    """New frames of one turn, numbered from base + 1."""

    turn: UUID
    fence: int
    base: int
    frames: Sequence[bytes]


async def append(
    connection: AsyncConnection, batches: Sequence[FrameBatch], lease: timedelta
) -> set[UUID]:
    """Stores the batches whose fence and base still match. Returns their turns."""
    # Raw SQL: frames are most of what the service writes (`python -m bench chat`).
    under = await database.asyncpg_connection(connection)
    numbered = [
        (b.turn, b.base + offset, frame)
        for b in batches
        for offset, frame in enumerate(b.frames, start=1)
    ]
    rows = await under.fetch(
        _APPEND,
        [b.turn for b in batches],
        [b.fence for b in batches],
        [b.base for b in batches],
        [len(b.frames) for b in batches],
        [turn for turn, _, _ in numbered],
        [sequence for _, sequence, _ in numbered],
        [frame for _, _, frame in numbered],
        lease,
    )
    return {UUID(bytes=row["id"].bytes) for row in rows}


async def insert(
    connection: AsyncConnection, turn: UUID, base: int, frames: Sequence[bytes]
) -> None:
    """Stores frames. The caller holds the lock of the turn's row and sets its last_sequence."""
    under = await database.asyncpg_connection(connection)
    await under.execute(_INSERT, turn, base, list(frames))


def insert_cte(turn: "sa.ColumnElement[UUID]", *where: "sa.ColumnElement[bool]") -> sa.CTE:
    """Returns the part of a statement that stores its parameter `frames`, numbered after `base`."""
    given = sa.func.unnest(sa.bindparam("frames", type_=ARRAY(t.c.frame.type)))
    frame = given.table_valued("frame", with_ordinality="number", name="given").render_derived()
    sequence = sa.bindparam("base", type_=sa.Integer) + sa.cast(frame.c.number, sa.Integer)
    rows = sa.select(turn, sequence, frame.c.frame).where(*where)
    names = [t.c.turn_id, t.c.sequence, t.c.frame]
    return sa.insert(t).from_select(names, rows).cte("shown")


async def list_after(
    connection: AsyncConnection, turn: UUID, sequence: int, *, limit: int, upto: int | None = None
) -> list[tuple[int, bytes]]:
    under = await database.asyncpg_connection(connection)
    rows = await under.fetch(_AFTER, turn, sequence, upto, limit)
    return [(row["sequence"], row["frame"]) for row in rows]


async def first(connection: AsyncConnection, turn: UUID) -> int | None:
    """Sequence of the oldest frame that is kept."""
    query = sa.select(sa.func.min(t.c.sequence)).where(t.c.turn_id == turn)
    found: int | None = await connection.scalar(query)
    return found
