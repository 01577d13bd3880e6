"""Threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import ThreadKind, TitleState
from chat_service.persistence.turns import IS_OPEN
from shared import errors, resources
from shared.db.queries import matches, newest_first
from shared.db.statements import Statement
from shared.list_filter import Filter

t = tables.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    id: UUID
    workspace_id: str
    created_by: str | None
    kind: ThreadKind
    title: str
    title_state: TitleState
    titled_by: UUID | None = None  # the turn that generated the title
    model_config_id: int
    create_time: datetime
    update_time: datetime
    open_turn: UUID | None = None


# Read from the turns, so that it can't disagree with them.
_OPEN_TURN: Final = (
    sa.select(tables.turns.c.id)
    .where(
        tables.turns.c.thread_id == t.c.id,
        IS_OPEN,
    )
    .scalar_subquery()
)
# Spelled as in the index, without parameters, so that PostgreSQL uses the index.
_IS_TASK: Final = sa.text("chat.threads.kind = 'task'")
_SELECT = sa.select(t, _OPEN_TURN.label("open_turn"))
_OF_ANY_KIND: Final = _SELECT.where(
    t.c.id == sa.bindparam("thread"), t.c.workspace_id == sa.bindparam("workspace")
)
OF_WORKSPACE: Final = _OF_ANY_KIND.where(t.c.kind == sa.bindparam("kind", type_=t.c.kind.type))
# Statement: what every turn does (`python -m bench chat`).
_GET: Final = Statement(OF_WORKSPACE)
_GET_LOCKED: Final = Statement(OF_WORKSPACE.with_for_update(of=t, key_share=True))
_GET_ANY: Final = Statement(_OF_ANY_KIND)
_INSERT: Final = Statement(
    sa.insert(t).values({c.name: sa.bindparam(c.name, type_=c.type) for c in t.columns})
)
_PIN: Final = Statement(
    sa.update(t)
    .where(t.c.id == sa.bindparam("thread"))
    .values(
        model_config_id=sa.case(
            (
                t.c.model_config_id == sa.bindparam("was", type_=sa.BigInteger),
                sa.bindparam("now_is", type_=sa.BigInteger),
            ),
            else_=t.c.model_config_id,
        )
    )
    .returning(t.c.model_config_id)
)


def parse_id(name: str, workspace: str) -> UUID | None:
    """Returns the id in the name of a thread of the workspace; None for any other text."""
    parts = resources.THREAD.match(name, workspace=workspace)
    try:
        return resources.parse_uuid(parts["thread"], name) if parts else None
    except errors.ResourceNotFound:
        return None


async def insert(connection: AsyncConnection, thread: Thread) -> None:
    await _INSERT.run(connection, **{c.name: getattr(thread, c.name) for c in t.columns})


async def get(
    connection: AsyncConnection,
    workspace: str,
    thread: UUID,
    *,
    kind: ThreadKind = ThreadKind.CHAT,
    lock: bool = False,
) -> Thread | None:
    """Returns None for a thread of another workspace or kind."""
    statement = _GET_LOCKED if lock else _GET
    row = await statement.row(connection, thread=thread, workspace=workspace, kind=kind)
    return None if row is None else Thread(**row)


async def get_any(connection: AsyncConnection, workspace: str, thread: UUID) -> Thread | None:
    """Like `get`, of every kind."""
    row = await _GET_ANY.row(connection, thread=thread, workspace=workspace)
    return None if row is None else Thread(**row)


async def list_titles(
    connection: AsyncConnection, workspace: str, found: Sequence[UUID]
) -> dict[UUID, str]:
    """Returns the titles of the workspace's chats among the ids."""
    rows = await connection.execute(
        sa.select(t.c.id, t.c.title).where(
            t.c.id.in_(found), t.c.workspace_id == workspace, t.c.kind == ThreadKind.CHAT
        )
    )
    return {row.id: row.title for row in rows}


_FILTER_COLUMNS: Final = {"create_time": t.c.create_time}


async def list_newest(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    before: UUID | None,
    filter_: Filter | None = None,
) -> list[Thread]:
    query = _SELECT.where(
        t.c.workspace_id == workspace,
        t.c.kind == ThreadKind.CHAT,
        matches(filter_, _FILTER_COLUMNS),
    )
    last = None if before is None else (before,)
    rows = await connection.execute(newest_first(query, t.c.id, after=last, limit=size))
    return [Thread(**row) for row in rows.mappings()]


async def update(
    connection: AsyncConnection, thread: UUID, now: datetime, values: Mapping[str, Any]
) -> None:
    await _update(tuple(values)).run(connection, thread=thread, update_time=now, **values)


@cache
def _update(columns: Sequence[str]) -> Statement:
    given = {name: sa.bindparam(name, type_=t.c[name].type) for name in ("update_time", *columns)}
    return Statement(sa.update(t).where(t.c.id == sa.bindparam("thread")).values(given))


async def pin_model(connection: AsyncConnection, thread: UUID, *, was: int, now_is: int) -> int:
    """Pins a model if the pin is still `was`. Returns the pin that the thread then has."""
    return int(await _PIN.scalar(connection, thread=thread, was=was, now_is=now_is) or 0)


async def set_generated_title(
    connection: AsyncConnection, thread: UUID, title: str, turn: UUID
) -> bool:
    """Returns False, and changes nothing, if the thread has a title by now."""
    done = await connection.execute(
        sa.update(t)
        .where(t.c.id == thread, t.c.title_state == TitleState.NONE)
        .values(title=title, title_state=TitleState.GENERATED, titled_by=turn)
    )
    return bool(done.rowcount)


async def delete(connection: AsyncConnection, thread: UUID) -> None:
    await connection.execute(sa.delete(t).where(t.c.id == thread))


async def delete_old_tasks(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes threads of tasks that are idle since before `before`. Returns their number."""
    old = (
        sa.select(t.c.id)
        .where(_IS_TASK, t.c.update_time < before, _OPEN_TURN.is_(None))
        .order_by(t.c.update_time)
        .limit(limit)
        .with_for_update(of=t, skip_locked=True)
    )
    found = list(await connection.scalars(old))
    if found:
        await connection.execute(sa.delete(t).where(t.c.id.in_(found)))
    return len(found)
