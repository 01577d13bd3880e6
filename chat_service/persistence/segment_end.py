"""The end of a segment, written by one statement, which segments that end together share.

One round trip costs more than the writes themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import credits, frames, tables
from chat_service.persistence.enums import ApprovalState, TurnState
from chat_service.persistence.turns import Turn
from shared.db.statement_group import StatementGroup
from shared.db.statements import Statement

_MESSAGES: Final = tables.messages
# What follows the ends of more would hold up the words of others.
MOST_TOGETHER: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEnd:
    """How a segment ends. `usage` is the whole turn's; `usage_before` is the stored value."""

    state: TurnState
    parts: Sequence[Mapping[str, Any]]
    message_usage: Mapping[str, Any]
    usage: Mapping[str, Any]
    usage_before: Mapping[str, Any]
    premium_micros: int  # to add to the used micros of the segment's reservation
    error: bytes | None
    frames: Sequence[bytes]  # the last frames of the segment
    end_time: datetime | None
    may_await_approval: bool  # whether approvals may stay pending


async def get_progress(connection: AsyncConnection, turn: Turn) -> tuple[Mapping[str, Any], bool]:
    """Returns the usage of the segment's message, and whether an approval is pending."""
    found = await _PROGRESS.row(connection, turn=turn.id, message=turn.agent_message_id)
    return (found["usage"] or {}, found["waits"]) if found else ({}, False)


async def end_segment(
    connection: AsyncConnection,
    turn: Turn,
    how: SegmentEnd,
    now: datetime,
    *,
    fence: int,
    base: int,
) -> bool:
    """Ends a segment and releases its lease. Returns False, and writes nothing, on a conflict.

    There is a conflict unless the turn runs under `fence`, its last frame is `base`, its usage is
    `how.usage_before`, and no approval is pending that may not be.
    """
    return await _END.row(connection, **_given(turn, how, now, fence, base)) is not None


class SegmentEnds:
    """The statement of `end_segment`, shared by segments that end together."""

    def __init__(self, db: AsyncEngine) -> None:
        self._group = StatementGroup(db, _END_IF_FREE, max_calls=MOST_TOGETHER)

    async def end(
        self, turn: Turn, how: SegmentEnd, now: datetime, *, fence: int, base: int
    ) -> bool:
        """Does as `end_segment`. It is a conflict too if another transaction holds the thread."""
        given = _given(turn, how, now, fence, base)
        return await self._group.row(given, row_id=turn.id, apart=turn.thread_id) is not None


def _given(turn: Turn, how: SegmentEnd, now: datetime, fence: int, base: int) -> dict[str, Any]:
    return {
        "turn": turn.id,
        "thread": turn.thread_id,
        "message": turn.agent_message_id,
        "in_segment": turn.segment,
        "fence": fence,
        "base": base,
        "last_sequence": base + len(how.frames),
        "frames": list(how.frames),
        "state": how.state,
        "parts": how.parts,
        "message_usage": how.message_usage,
        "usage": how.usage,
        "usage_before": how.usage_before,
        "micros": how.premium_micros,
        "error": how.error,
        "end_time": how.end_time,
        "may_await_approval": how.may_await_approval,
        "now": now,
    }


def _pending() -> "sa.Select[Any]":
    waits = tables.approvals
    return sa.select(waits.c.id).where(
        waits.c.turn_id == sa.bindparam("turn"), waits.c.state == ApprovalState.PENDING
    )


def _end(*, waits_for_thread: bool) -> "sa.Update":
    row, message, thread = tables.turns, _MESSAGES, tables.threads
    free = (
        sa.select(thread.c.id)
        .where(thread.c.id == sa.bindparam("thread"))
        .with_for_update(key_share=True, skip_locked=not waits_for_thread)
        .cte("free")
    )
    held = (
        sa.select(row.c.id)
        .where(
            sa.exists(sa.select(free.c.id)),
            row.c.id == sa.bindparam("turn"),
            row.c.fence == sa.bindparam("fence"),
            row.c.state == TurnState.RUNNING,
            row.c.last_sequence == sa.bindparam("base", type_=sa.Integer),
            row.c.usage == sa.bindparam("usage_before", type_=row.c.usage.type),
            sa.or_(sa.bindparam("may_await_approval", type_=sa.Boolean), ~sa.exists(_pending())),
        )
        .with_for_update(key_share=True, of=row)
        .cte("held")
    )
    holds = sa.exists(sa.select(held.c.id))
    given = ("state", "last_sequence", "usage", "error", "end_time")
    values = {name: sa.bindparam(name, type_=row.c[name].type) for name in given}
    now = sa.bindparam("now", type_=row.c.update_time.type)
    finished = (
        sa.update(message)
        .where(message.c.id == sa.bindparam("message"), holds)
        .values(
            parts=sa.bindparam("parts", type_=message.c.parts.type),
            usage=sa.bindparam("message_usage", type_=message.c.usage.type),
            finish_time=now,
        )
    )
    touched = (
        sa.update(thread)
        .where(thread.c.id == sa.bindparam("thread"), holds)
        .values(update_time=now)
    )
    return (
        sa.update(row)
        .where(row.c.id.in_(sa.select(held.c.id)))
        .values(**values, update_time=now, lease_owner=None, lease_expire_time=None)
        .returning(row.c.id)
        .add_cte(
            finished.cte("finished"),
            touched.cte("touched"),
            credits.SETTLE_RESERVATION.where(holds).cte("settled"),
            frames.insert_cte(sa.bindparam("turn", type_=row.c.id.type), holds),
        )
    )


def _progress() -> "sa.Select[Any]":
    usage = sa.select(_MESSAGES.c.usage).where(_MESSAGES.c.id == sa.bindparam("message"))
    return sa.select(usage.scalar_subquery().label("usage"), sa.exists(_pending()).label("waits"))


# Statement: what every turn does (`python -m bench chat`).
_PROGRESS: Final = Statement(_progress())
_END: Final = Statement(_end(waits_for_thread=True))
_END_IF_FREE: Final = Statement(_end(waits_for_thread=False))
