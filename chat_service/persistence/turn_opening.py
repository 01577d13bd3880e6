"""The rows of a new turn, written by one statement.

The fast path is one statement that reads and one that writes. A transaction with a query for each
read takes ten round trips, which is most of the cost of a short turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import frames as turn_frames
from chat_service.persistence import tables, threads, turns
from chat_service.persistence.enums import ThreadKind
from chat_service.persistence.messages import Message
from chat_service.persistence.threads import Thread
from chat_service.persistence.turns import Turn
from shared.db import tenancy
from shared.db.statements import Statement

_THREADS: Final = tables.threads
_MESSAGES: Final = tables.messages
_REQUESTS: Final = tables.tenants.requests
_COOLING: Final = tables.model_cooldowns


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurnRows:
    """A new turn with its two messages and first frames."""

    turn: Turn
    lease: timedelta
    said: Message
    answer: Message
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """The request that the turn is stored under, so that a repeat of it opens no second turn."""

    rpc: str
    user: str
    request_id: str
    body_hash: bytes
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSnapshot:
    """A thread as it was read. `first`: it has no message yet."""

    thread: Thread
    first: bool
    cooling: Mapping[int, datetime]  # the end of each cooldown by model config id


async def insert(connection: AsyncConnection, new: NewTurnRows) -> bool:
    """Returns False, and stores nothing, if the thread has an open turn."""
    return await _BEGIN.row(connection, **_given(new)) is not None


async def read_thread(
    connection: AsyncConnection, *, workspace: str, user: str, thread: UUID, now: datetime
) -> ThreadSnapshot | None:
    """Returns None unless the user is a member and the thread is a chat of the workspace."""
    row = await _LOOK.row(
        connection, workspace=workspace, user=user, thread=thread, kind=ThreadKind.CHAT, now=now
    )
    if row is None:
        return None
    first, models, until = (row.pop(name) for name in ("first", "models", "until"))
    cooling = dict(zip(models or (), until or (), strict=True))
    return ThreadSnapshot(thread=Thread(**row), first=first, cooling=cooling)


async def insert_if_unchanged(
    connection: AsyncConnection,
    new: NewTurnRows,
    request: TurnRequest,
    *,
    pin_was: int,
    pin: int,
    first: bool,
) -> bool:
    """Stores a new turn, its request, and the model that its thread is pinned to.

    Returns False, and stores nothing, if the thread is gone or has an open turn, if its pin is not
    `pin_was`, if it has messages though the turn is its `first`, or if the request was served.
    The connection must not be in a transaction.
    """
    key = tenancy.request_key(new.turn.workspace_id, request.rpc, request.user, request.request_id)
    given = {
        "request_workspace_id": new.turn.workspace_id,
        "request_rpc": request.rpc,
        "request_user_id": request.user,
        "request_request_id": request.request_id,
        "request_body_hash": request.body_hash,
        "request_resource": request.resource,
        "request_create_time": new.turn.create_time,
    }
    try:
        found = await _BEGIN_AS_SEEN.row(
            connection,
            **_given(new),
            **given,
            key=key,
            pin_was=pin_was,
            pin=pin,
            first=first,
        )
    except asyncpg.IntegrityConstraintViolationError:
        return False
    return found is not None


def _given(new: NewTurnRows) -> dict[str, Any]:
    said = {f"said_{c.name}": getattr(new.said, c.name) for c in _MESSAGES.columns}
    answer = {f"answer_{c.name}": getattr(new.answer, c.name) for c in _MESSAGES.columns}
    turn = turns.column_values(new.turn)
    return {**turn, "lease": new.lease, **said, **answer, "base": 0, "frames": list(new.frames)}


def _row(table: sa.Table, prefix: str, *where: "sa.ColumnElement[bool]") -> sa.CTE:
    given = [sa.bindparam(f"{prefix}_{c.name}", type_=c.type) for c in table.columns]
    names = [c.name for c in table.columns]
    return sa.insert(table).from_select(names, sa.select(*given).where(*where)).cte(prefix)


def _begin(begun: sa.CTE, *more: sa.CTE) -> "sa.Select[Any]":
    new = sa.select(begun.c.id).scalar_subquery()
    return sa.select(begun.c.id).add_cte(
        _row(_MESSAGES, "said", new.is_not(None)),
        _row(_MESSAGES, "answer", new.is_not(None)),
        turn_frames.insert_cte(new, new.is_not(None)),
        *more,
    )


def _begin_as_seen() -> "sa.Select[Any]":
    # The statement's snapshot may be stale once it gets the request's lock. The row lock checks
    # the thread again, and unique indexes check the rest.
    mine = sa.select(tenancy.REQUEST_LOCK.label("mine")).cte("mine")
    was, pin = (sa.bindparam(name, type_=sa.BigInteger) for name in ("pin_was", "pin"))
    thread = _THREADS.c.id == sa.bindparam("thread_id", type_=_THREADS.c.id.type)
    as_seen = sa.or_(~sa.bindparam("first", type_=sa.Boolean), ~sa.exists(_said()))
    held = (
        sa.select(_THREADS.c.id)
        .where(thread, _THREADS.c.model_config_id == was, as_seen, sa.exists(sa.select(mine)))
        .with_for_update(key_share=True)
        .cte("held")
    )
    begun = turns.insert_cte(sa.exists(sa.select(held)))
    new = sa.exists(sa.select(begun.c.id))
    pinned = sa.update(_THREADS).where(thread, new, pin != was).values(model_config_id=pin)
    return _begin(begun, _row(_REQUESTS, "request", new), pinned.cte("pinned"))


def _said() -> "sa.Select[Any]":
    return sa.select(_MESSAGES.c.id).where(_MESSAGES.c.thread_id == _THREADS.c.id)


def _look() -> "sa.Select[Any]":
    members = tables.tenants.memberships
    member = sa.select(members.c.user_id).where(
        members.c.workspace_id == sa.bindparam("workspace"),
        members.c.user_id == sa.bindparam("user"),
        members.c.revoked_time.is_(None),
    )
    now = sa.bindparam("now", type_=_COOLING.c.until.type)

    def cooling(column: "sa.Column[Any]") -> "sa.ColumnElement[Any]":
        each = sa.select(column).where(_COOLING.c.until > now)
        return sa.func.array(each.order_by(_COOLING.c.model_config_id).scalar_subquery())

    return threads.OF_WORKSPACE.add_columns(
        (~sa.exists(_said())).label("first"),
        cooling(_COOLING.c.model_config_id).label("models"),
        cooling(_COOLING.c.until).label("until"),
    ).where(sa.exists(member))


_BEGIN: Final = Statement(_begin(turns.insert_cte()))
_LOOK: Final = Statement(_look())
_BEGIN_AS_SEEN: Final = Statement(_begin_as_seen())
