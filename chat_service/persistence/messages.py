"""Messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from chat_service.persistence.enums import MessageRole

t = tables.messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`parts` are the JSON of the proto's Part; an agent's message is finished later."""

    id: UUID
    thread_id: UUID
    turn_id: UUID
    segment: int
    role: MessageRole
    parts: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    create_time: datetime
    finish_time: datetime | None = None


async def insert(connection: AsyncConnection, message: Message) -> None:
    values = {c.name: getattr(message, c.name) for c in t.columns}
    await connection.execute(sa.insert(t).values(values))


async def finish(
    connection: AsyncConnection,
    message: UUID,
    *,
    parts: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    now: datetime,
) -> None:
    await connection.execute(
        sa.update(t).where(t.c.id == message).values(parts=parts, usage=usage, finish_time=now)
    )


async def newest(
    connection: AsyncConnection, thread: UUID, *, size: int, before: UUID | None
) -> list[Message]:
    query = sa.select(t).where(t.c.thread_id == thread, t.c.finish_time.is_not(None))
    if before is not None:
        query = query.where(t.c.id < before)
    rows = await connection.execute(query.order_by(t.c.id.desc()).limit(size))
    return [Message(**row) for row in rows.mappings()]


async def usage_of(connection: AsyncConnection, message: UUID) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = await connection.scalar(
        sa.select(t.c.usage).where(t.c.id == message)
    )
    return found or {}


async def set_usage(connection: AsyncConnection, message: UUID, usage: Mapping[str, Any]) -> None:
    await connection.execute(sa.update(t).where(t.c.id == message).values(usage=usage))


async def of_turn(connection: AsyncConnection, turn: UUID) -> list[Message]:
    query = sa.select(t).where(t.c.turn_id == turn).order_by(t.c.id)
    return [Message(**row) for row in (await connection.execute(query)).mappings()]
