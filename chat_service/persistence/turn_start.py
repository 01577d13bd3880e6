"""The rows of a new turn, written by one statement.

The fast path is one statement that reads and one that writes, each for all turns that open at the
same time. A transaction with a query for each read takes ten round trips, which is most of the
cost of a short turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.persistence import frames as turn_frames
from chat_service.persistence import tables, threads, turns
from chat_service.persistence.enums import ThreadKind
from chat_service.persistence.messages import Message
from chat_service.persistence.threads import Thread
from chat_service.persistence.turns import Turn
from shared.db import tenancy
from shared.db.statement_group import StatementGroup
from shared.db.statements import Statement
from shared.security.caller import ROLES_THAT_ACT

_THREADS: Final = tables.threads
_MESSAGES: Final = tables.messages
_REQUESTS: Final = tables.tenants.requests
_COOLDOWNS: Final = tables.model_cooldowns


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurnRows:
    """A new turn with its two messages and first frames."""

    turn: Turn
    lease: timedelta
    user_message: Message
    agent_message: Message
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
    """A thread as it was read. `is_empty`: it has no messages."""

    thread: Thread
    is_empty: bool
    cooldowns: Mapping[int, datetime]  # the end of each cooldown by model config id


async def insert(connection: AsyncConnection, new: NewTurnRows) -> bool:
    """Returns False, and stores nothing, if the thread has an open turn."""
    return await _INSERT.row(connection, **_given(new)) is not None


class PlainTurnStart:
    """The two statements that open a plain turn, shared by the turns that open together."""

    def __init__(self, db: AsyncEngine) -> None:
        self._read = StatementGroup(db, _READ_THREAD)
        self._insert = StatementGroup(db, _INSERT_IF_UNCHANGED)

    async def read_thread(
        self, *, workspace: str, user: str, thread: UUID, now: datetime
    ) -> ThreadSnapshot | None:
        """Returns None unless the user is an editor and the thread is a chat of the workspace."""
        given = {
            "workspace": workspace,
            "user": user,
            "thread": thread,
            "kind": ThreadKind.CHAT,
            "now": now,
        }
        row = await self._read.row(given, row_id=thread, apart=thread)
        if row is None:
            return None
        is_empty, models, until = (row.pop(name) for name in ("is_empty", "models", "until"))
        cooldowns = dict(zip(models or (), until or (), strict=True))
        return ThreadSnapshot(thread=Thread(**row), is_empty=is_empty, cooldowns=cooldowns)

    async def insert_if_unchanged(
        self,
        new: NewTurnRows,
        request: TurnRequest,
        *,
        pin_was: int,
        pin: int,
        is_empty: bool,
    ) -> bool:
        """Stores a new turn, its request, and the model that its thread is pinned to.

        Returns False, and stores nothing, if the thread is gone or has an open turn, if its pin is
        not `pin_was`, if it has messages despite `is_empty`, if the request was served, or if
        another transaction holds the thread or the request.
        """
        turn = new.turn
        key = tenancy.request_key(turn.workspace_id, request.rpc, request.user, request.request_id)
        given = {
            **_given(new),
            "request_workspace_id": turn.workspace_id,
            "request_rpc": request.rpc,
            "request_user_id": request.user,
            "request_request_id": request.request_id,
            "request_body_hash": request.body_hash,
            "request_resource": request.resource,
            "request_create_time": turn.create_time,
            "key": key,
            "pin_was": pin_was,
            "pin": pin,
            "is_empty": is_empty,
        }
        try:
            found = await self._insert.row(given, row_id=turn.id, apart=turn.thread_id)
        except asyncpg.IntegrityConstraintViolationError:
            return False
        return found is not None


def _given(new: NewTurnRows) -> dict[str, Any]:
    user = {f"user_{c.name}": getattr(new.user_message, c.name) for c in _MESSAGES.columns}
    agent = {f"agent_{c.name}": getattr(new.agent_message, c.name) for c in _MESSAGES.columns}
    turn = turns.column_values(new.turn)
    return {**turn, "lease": new.lease, **user, **agent, "base": 0, "frames": list(new.frames)}


def _row(table: sa.Table, prefix: str, *where: "sa.ColumnElement[bool]") -> sa.CTE:
    given = [sa.bindparam(f"{prefix}_{c.name}", type_=c.type) for c in table.columns]
    names = [c.name for c in table.columns]
    return sa.insert(table).from_select(names, sa.select(*given).where(*where)).cte(prefix)


def _insert(turn_row: sa.CTE, *more: sa.CTE) -> "sa.Select[Any]":
    new = sa.select(turn_row.c.id).scalar_subquery()
    return sa.select(turn_row.c.id).add_cte(
        _row(_MESSAGES, "user", new.is_not(None)),
        _row(_MESSAGES, "agent", new.is_not(None)),
        turn_frames.insert_cte(new, new.is_not(None)),
        *more,
    )


def _insert_if_unchanged() -> "sa.Select[Any]":
    # Another transaction may commit after the statement's snapshot. The row lock checks the thread
    # again, and unique indexes check the rest. It waits for no lock, so that no turn of a group
    # waits for what holds another's thread.
    mine = sa.select(tenancy.TRY_REQUEST_LOCK.label("mine")).cte("mine")
    was, pin = (sa.bindparam(name, type_=sa.BigInteger) for name in ("pin_was", "pin"))
    thread = _THREADS.c.id == sa.bindparam("thread_id", type_=_THREADS.c.id.type)
    unchanged = sa.or_(~sa.bindparam("is_empty", type_=sa.Boolean), ~sa.exists(_messages()))
    held = (
        sa.select(_THREADS.c.id)
        .where(
            thread,
            _THREADS.c.model_config_id == was,
            unchanged,
            sa.exists(sa.select(mine).where(mine.c.mine)),
        )
        .with_for_update(key_share=True, skip_locked=True)
        .cte("held")
    )
    turn_row = turns.insert_cte(sa.exists(sa.select(held)))
    new = sa.exists(sa.select(turn_row.c.id))
    pinned = sa.update(_THREADS).where(thread, new, pin != was).values(model_config_id=pin)
    return _insert(turn_row, _row(_REQUESTS, "request", new), pinned.cte("pinned"))


def _messages() -> "sa.Select[Any]":
    return sa.select(_MESSAGES.c.id).where(_MESSAGES.c.thread_id == _THREADS.c.id)


def _read_thread() -> "sa.Select[Any]":
    members = tables.tenants.memberships
    member = sa.select(members.c.user_id).where(
        members.c.workspace_id == sa.bindparam("workspace"),
        members.c.user_id == sa.bindparam("user"),
        members.c.revoked_time.is_(None),
        sa.or_(*(members.c.role == role for role in ROLES_THAT_ACT)),
    )
    now = sa.bindparam("now", type_=_COOLDOWNS.c.until.type)

    def cooldowns(column: "sa.Column[Any]") -> "sa.ColumnElement[Any]":
        each = sa.select(column).where(_COOLDOWNS.c.until > now)
        return sa.func.array(each.order_by(_COOLDOWNS.c.model_config_id).scalar_subquery())

    return threads.OF_WORKSPACE.add_columns(
        (~sa.exists(_messages())).label("is_empty"),
        cooldowns(_COOLDOWNS.c.model_config_id).label("models"),
        cooldowns(_COOLDOWNS.c.until).label("until"),
    ).where(sa.exists(member))


# Statement: what every turn does (`python -m bench chat`).
_INSERT: Final = Statement(_insert(turns.insert_cte()))
_READ_THREAD: Final = Statement(_read_thread())
_INSERT_IF_UNCHANGED: Final = Statement(_insert_if_unchanged())
