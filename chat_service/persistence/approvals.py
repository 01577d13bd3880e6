"""Approvals. One is stored once under its key and decided once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import ApprovalState
from shared.db.queries import matches, newest_first
from shared.db.statements import Statement
from shared.list_filter import Filter

t = tables.approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    id: UUID
    workspace_id: str
    turn_id: UUID
    key: str
    segment: int
    action_type: str
    tool_call_id: str
    summary: str
    payload: Mapping[str, Any]
    payload_schema: Mapping[str, Any]
    payload_digest: str
    context: Mapping[str, Any]
    preview: Mapping[str, Any]
    state: ApprovalState
    requested_by: str
    decided_by: str = ""
    reason: str = ""
    edited_payload: Mapping[str, Any] | None = None
    resource: str = ""
    create_time: datetime
    decide_time: datetime | None = None
    expire_time: datetime
    notice_time: datetime | None = None
    thread_id: UUID | None = None  # of the turn; read, never written


_SELECT = sa.select(t, tables.turns.c.thread_id).join_from(
    t, tables.turns, t.c.turn_id == tables.turns.c.id
)
_OF_TURN: Final = _SELECT.where(t.c.turn_id == sa.bindparam("turn")).order_by(t.c.id)
# Statement: what every turn does (`python -m bench chat`).
_OF_TURN_READ: Final = Statement(_OF_TURN)
_OF_TURN_LOCKED: Final = Statement(_OF_TURN.with_for_update(of=t, key_share=True))


async def insert_once(connection: AsyncConnection, approval: Approval) -> None:
    """Does nothing if the turn already has an approval with the same key."""
    values = {c.name: getattr(approval, c.name) for c in t.columns}
    await connection.execute(
        upsert(t).values(values).on_conflict_do_nothing(index_elements=["turn_id", "key"])
    )


async def get_by_key(connection: AsyncConnection, turn: UUID, key: str) -> Approval | None:
    return await _one(connection, _SELECT.where(t.c.turn_id == turn, t.c.key == key))


async def get(
    connection: AsyncConnection, approval: UUID, *, workspace: str | None = None
) -> Approval | None:
    query = _SELECT.where(t.c.id == approval)
    if workspace is not None:
        query = query.where(t.c.workspace_id == workspace)
    return await _one(connection, query)


async def list_by_turn(
    connection: AsyncConnection, turn: UUID, *, lock: bool = False
) -> list[Approval]:
    """Returns a turn's approvals, oldest first."""
    statement = _OF_TURN_LOCKED if lock else _OF_TURN_READ
    return [Approval(**row) for row in await statement.rows(connection, turn=turn)]


_FILTER_COLUMNS: Final = {"state": t.c.state, "create_time": t.c.create_time}


async def list_newest(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    before: UUID | None,
    filter_: Filter | None = None,
) -> list[Approval]:
    query = _SELECT.where(t.c.workspace_id == workspace, matches(filter_, _FILTER_COLUMNS))
    last = None if before is None else (before,)
    rows = await connection.execute(newest_first(query, t.c.id, after=last, limit=size))
    return [Approval(**row) for row in rows.mappings()]


async def decide(
    connection: AsyncConnection,
    approval: UUID,
    *,
    state: ApprovalState,
    now: datetime,
    decided_by: str = "",
    reason: str = "",
    edited_payload: Mapping[str, Any] | None = None,
) -> None:
    """Does nothing if the approval is no longer pending."""
    await connection.execute(
        sa.update(t)
        .where(t.c.id == approval, t.c.state == ApprovalState.PENDING)
        .values(
            state=state,
            decide_time=now,
            decided_by=decided_by,
            reason=reason,
            edited_payload=edited_payload,
        )
    )


async def set_resource(connection: AsyncConnection, approval: UUID, resource: str) -> None:
    await connection.execute(sa.update(t).where(t.c.id == approval).values(resource=resource))


async def list_expired_turns(
    connection: AsyncConnection, now: datetime, *, limit: int
) -> list[UUID]:
    """Returns the turns that have a pending approval past its expire_time."""
    query = (
        sa.select(t.c.turn_id)
        .where(t.c.state == ApprovalState.PENDING, t.c.expire_time <= now)
        .distinct()
        .limit(limit)
    )
    return list(await connection.scalars(query))


async def count_pending(connection: AsyncConnection) -> int:
    """Counts the pending approvals of all workspaces."""
    query = sa.select(sa.func.count()).where(t.c.state == ApprovalState.PENDING)
    return int(await connection.scalar(query) or 0)


async def list_unnotified(connection: AsyncConnection, *, limit: int) -> list[Approval]:
    """Returns approvals of which automation_service has no notice yet, oldest first.

    Decided ones too.
    """
    query = _SELECT.where(t.c.notice_time.is_(None)).order_by(t.c.id).limit(limit)
    return [Approval(**row) for row in (await connection.execute(query)).mappings()]


async def find_pending(
    connection: AsyncConnection, workspace: str, ids: Sequence[UUID], now: datetime
) -> set[UUID]:
    """Returns those of a workspace that wait for a decision and have not expired."""
    query = sa.select(t.c.id).where(
        t.c.workspace_id == workspace,
        t.c.id.in_(ids),
        t.c.state == ApprovalState.PENDING,
        t.c.expire_time > now,
    )
    return set((await connection.execute(query)).scalars())


async def mark_notified(connection: AsyncConnection, ids: Sequence[UUID], now: datetime) -> None:
    await connection.execute(
        sa.update(t).where(t.c.id.in_(ids), t.c.notice_time.is_(None)).values(notice_time=now)
    )


async def _one(connection: AsyncConnection, query: "sa.Select[Any]") -> Approval | None:
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Approval(**row)
