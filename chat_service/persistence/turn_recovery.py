"""The segments of dead owners: read, and their usage stored, for many turns at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence.turns import Turn
from shared.db import database
from shared.json import compact_json

# How many messages before the turn count as input of its first model call.
MAX_MESSAGES: Final = 200
# How many bytes of a result that a run delivered count.
MAX_RESULT_BYTES: Final = 4_000

_FRAMES: Final = """
select f.turn_id, f.frame
  from unnest($1::uuid[], $2::int[]) as b(turn_id, base)
  join chat.turn_events f on f.turn_id = b.turn_id and f.sequence > b.base
 order by f.turn_id, f.sequence
"""

_SEGMENTS: Final = """
select b.turn_id, m.usage,
       exists (select from chat.checkpoints c where c.thread_id = b.turn_id::text) as checkpointed,
       (select coalesce(sum(least(octet_length(said.parts::text), case
                 when said.parts -> 0 ? 'run_result' then $6::int end)), 0)
          from (select e.parts from chat.messages e
                 where e.thread_id = b.thread_id and e.id <= b.asked
                   and e.finish_time is not null
                 order by e.id desc limit $5) as said) as said_bytes
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
    as b(turn_id, thread_id, asked, answer)
  left join chat.messages m on m.id = b.answer
"""

# Whoever holds the turn's row writes the usage to both the turn and its message.
_STORE_USAGE: Final = """
with recovered as (
  select * from unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::uuid[],
                       $6::jsonb[], $7::jsonb[], $8::jsonb[], $9::bigint[], $10::bytea[])
    as b(turn_id, fence, base, segment, answer,
         usage_before, usage, message_usage, micros, frame)
), held as (
  select u.id from chat.turns u join recovered b on b.turn_id = u.id
   where u.fence = b.fence and u.last_sequence = b.base and u.state = 'running'
     and u.usage = b.usage_before
   order by u.id for no key update of u
), counted as (
  update chat.messages m set usage = b.message_usage
    from recovered b where m.id = b.answer and b.turn_id in (select id from held)
), charged as (
  update chat.credit_reservations r set used_micros = r.used_micros + b.micros
    from recovered b where r.turn_id = b.turn_id and r.segment = b.segment and b.micros > 0
     and b.turn_id in (select id from held)
), shown as (
  insert into chat.turn_events (turn_id, sequence, frame)
  select b.turn_id, b.base + 1, b.frame from recovered b
   where b.frame is not null and b.turn_id in (select id from held)
)
update chat.turns u
   set usage = b.usage, last_sequence = b.base + (b.frame is not null)::int
  from recovered b where u.id = b.turn_id and u.id in (select id from held)
returning u.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedSegment:
    """What is stored of a segment whose owner died.

    `said_bytes` is the size of the thread's messages in its first model call; `usage` is that of
    its message.
    """

    frames: Sequence[bytes] = ()
    checkpointed: bool
    said_bytes: int
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredUsage:
    """The usage to store for a segment that was taken over, and the frame that shows it."""

    turn: Turn  # as it was read
    usage: Mapping[str, Any]  # of the whole turn
    message_usage: Mapping[str, Any]
    premium_micros: int
    frame: bytes | None


async def read_abandoned(
    connection: AsyncConnection, turns: Sequence[Turn]
) -> dict[UUID, AbandonedSegment]:
    """Returns the segments by turn. Deleted turns are missing."""
    # Raw SQL: one statement for all turns that a replica adopts.
    under = await database.asyncpg_connection(connection)
    ids = [turn.id for turn in turns]
    stored: dict[UUID, list[bytes]] = {turn: [] for turn in ids}
    for row in await under.fetch(_FRAMES, ids, [turn.segments[-1] for turn in turns]):
        stored[_uuid(row["turn_id"])].append(row["frame"])
    rows = await under.fetch(
        _SEGMENTS,
        ids,
        [turn.thread_id for turn in turns],
        [turn.user_message_id for turn in turns],
        [turn.agent_message_id for turn in turns],
        MAX_MESSAGES,
        MAX_RESULT_BYTES,
    )
    return {
        (turn := _uuid(row["turn_id"])): AbandonedSegment(
            frames=stored[turn],
            checkpointed=row["checkpointed"],
            said_bytes=row["said_bytes"],
            usage=row["usage"] or {},
        )
        for row in rows
    }


async def store_usage(
    connection: AsyncConnection, recovered: Sequence[RecoveredUsage]
) -> set[UUID]:
    """Stores nothing for a turn that changed since it was read. Returns the stored turns."""
    under = await database.asyncpg_connection(connection)
    rows = await under.fetch(
        _STORE_USAGE,
        [one.turn.id for one in recovered],
        [one.turn.fence for one in recovered],
        [one.turn.last_sequence for one in recovered],
        [one.turn.segment for one in recovered],
        [one.turn.agent_message_id for one in recovered],
        [compact_json.dump(one.turn.usage) for one in recovered],
        [compact_json.dump(one.usage) for one in recovered],
        [compact_json.dump(one.message_usage) for one in recovered],
        [one.premium_micros for one in recovered],
        [one.frame for one in recovered],
    )
    return {_uuid(row["id"]) for row in rows}


def _uuid(value: Any) -> UUID:
    return UUID(bytes=value.bytes)
