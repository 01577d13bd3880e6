"""Messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import MessageRole, TurnState
from shared.db.statements import Statement

t = tables.messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`parts` are the JSON of the proto's Part. `finish_time` is None until its segment ends."""

    id: UUID
    thread_id: UUID
    turn_id: UUID
    segment: int
    role: MessageRole
    parts: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    create_time: datetime
    finish_time: datetime | None = None
    turn_state: TurnState | None = None  # only of those in lists of a thread


def _given(*columns: str) -> dict[str, "sa.BindParameter[Any]"]:
    return {name: sa.bindparam(name, type_=t.c[name].type) for name in columns}


_ID: Final = t.c.id == sa.bindparam("message")
# Statement: what every turn does (`python -m bench chat`).
_INSERT: Final = Statement(sa.insert(t).values(_given(*(c.name for c in t.columns))))
_USAGE: Final = Statement(sa.select(t.c.usage).where(_ID))
_OF_TURN: Final = Statement(
    sa.select(t).where(t.c.turn_id == sa.bindparam("turn")).order_by(t.c.id)
)
_FINISHED: Final = (
    sa.select(t, tables.turns.c.state.label("turn_state"))
    .join(tables.turns, tables.turns.c.id == t.c.turn_id)
    .where(t.c.thread_id == sa.bindparam("thread"), t.c.finish_time.is_not(None))
)
_SIZE: Final = sa.bindparam("size", type_=sa.Integer)
_NEWEST: Final = Statement(_FINISHED.order_by(t.c.id.desc()).limit(_SIZE))
_NEWEST_BEFORE: Final = Statement(
    _FINISHED.where(t.c.id < sa.bindparam("before")).order_by(t.c.id.desc()).limit(_SIZE)
)


def _history() -> "sa.CompoundSelect[Any]":
    turns = tables.turns
    before = sa.bindparam("before", type_=t.c.id.type)
    said = _FINISHED.where(t.c.id < before, turns.c.delivery_id.is_(None))
    # Found by the index of deliveries, which costs nothing in a thread that has none.
    delivered = (
        sa.select(turns.c.id, turns.c.state)
        .where(
            turns.c.thread_id == sa.bindparam("thread"),
            turns.c.delivery_id.is_not(None),
            turns.c.id < before,
        )
        .order_by(turns.c.id.desc())
        .limit(sa.bindparam("results", type_=sa.Integer))
        .subquery("delivered")
    )
    results = (
        sa.select(t, delivered.c.state.label("turn_state"))
        .join(delivered, delivered.c.id == t.c.turn_id)
        .where(t.c.thread_id == sa.bindparam("thread"))
    )
    newest = said.order_by(t.c.id.desc()).limit(_SIZE).subquery("said")
    return sa.union_all(sa.select(newest), results)


# Statement: what every turn does (`python -m bench chat`).
_HISTORY: Final = Statement(_history())


async def insert(connection: AsyncConnection, message: Message) -> None:
    await _INSERT.run(connection, **{c.name: getattr(message, c.name) for c in t.columns})


async def list_newest(
    connection: AsyncConnection, thread: UUID, *, size: int, before: UUID | None
) -> list[Message]:
    if before is None:
        rows = await _NEWEST.rows(connection, thread=thread, size=size)
    else:
        rows = await _NEWEST_BEFORE.rows(connection, thread=thread, size=size, before=before)
    return [Message(**row) for row in rows]


async def list_history(
    connection: AsyncConnection, thread: UUID, *, before: UUID, size: int, results: int
) -> list[Message]:
    """Returns what was said before a message, newest first.

    At most `results` of the messages are results of runs, and at most `size` are others, so that
    an automation which delivers often leaves room for what was said.
    """
    given = {"thread": thread, "before": before, "size": size, "results": results}
    rows = [Message(**row) for row in await _HISTORY.rows(connection, **given)]
    return sorted(rows, key=lambda message: message.id, reverse=True)


async def get_usage(connection: AsyncConnection, message: UUID) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = await _USAGE.scalar(connection, message=message)
    return found or {}


async def set_usage(connection: AsyncConnection, message: UUID, usage: Mapping[str, Any]) -> None:
    await connection.execute(sa.update(t).where(t.c.id == message).values(usage=usage))


async def list_by_turn(connection: AsyncConnection, turn: UUID) -> list[Message]:
    return [Message(**row) for row in await _OF_TURN.rows(connection, turn=turn)]
