"""Threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import ThreadKind, TitleState, TurnState

t = tables.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    id: UUID
    workspace_id: str
    created_by: str | None
    kind: ThreadKind
    title: str
    title_state: TitleState
    model_config_id: int
    create_time: datetime
    update_time: datetime
    open_turn: UUID | None = None


# Derived from the turns, so that it can't disagree with them.
_OPEN_TURN = (
    sa.select(tables.turns.c.id)
    .where(
        tables.turns.c.thread_id == t.c.id,
        tables.turns.c.state.in_([TurnState.RUNNING, TurnState.AWAITING_APPROVAL]),
    )
    .scalar_subquery()
    .label("open_turn")
)
_SELECT = sa.select(t, _OPEN_TURN)


async def insert(connection: AsyncConnection, thread: Thread) -> None:
    values = {c.name: getattr(thread, c.name) for c in t.columns}
    await connection.execute(sa.insert(t).values(values))


async def get(
    connection: AsyncConnection, workspace: str, thread: UUID, *, lock: bool = False
) -> Thread | None:
    """A chat thread of the workspace; threads of tasks are not found."""
    query = _SELECT.where(
        t.c.id == thread, t.c.workspace_id == workspace, t.c.kind == ThreadKind.CHAT
    )
    if lock:
        query = query.with_for_update(of=t, key_share=True)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Thread(**row)


async def newest(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    before: UUID | None,
    created: Sequence[tuple[str, datetime]],
) -> list[Thread]:
    query = _SELECT.where(t.c.workspace_id == workspace, t.c.kind == ThreadKind.CHAT)
    if before is not None:
        query = query.where(t.c.id < before)
    for operator, moment in created:
        query = query.where(t.c.create_time.op(operator)(moment))
    rows = await connection.execute(query.order_by(t.c.id.desc()).limit(size))
    return [Thread(**row) for row in rows.mappings()]


async def change(
    connection: AsyncConnection, thread: UUID, now: datetime, values: Mapping[str, Any]
) -> None:
    await connection.execute(sa.update(t).where(t.c.id == thread).values(update_time=now, **values))


async def pin(connection: AsyncConnection, thread: UUID, *, was: int, now_is: int) -> int:
    """Pins a model if the pin is still `was`; answers with the pin as it is then."""
    await connection.execute(
        sa.update(t)
        .where(t.c.id == thread, t.c.model_config_id == was)
        .values(model_config_id=now_is)
    )
    pinned = await connection.scalar(sa.select(t.c.model_config_id).where(t.c.id == thread))
    return int(pinned or 0)


async def give_title(connection: AsyncConnection, thread: UUID, title: str) -> bool:
    """Gives a thread without a title one; False when it has one by now."""
    done = await connection.execute(
        sa.update(t)
        .where(t.c.id == thread, t.c.title_state == TitleState.NONE)
        .values(title=title, title_state=TitleState.GENERATED)
    )
    return bool(done.rowcount)


async def delete(connection: AsyncConnection, thread: UUID) -> None:
    await connection.execute(sa.delete(t).where(t.c.id == thread))
