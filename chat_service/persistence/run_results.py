"""Results that runs delivered: finished turns of one message, each once in its thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import frames, messages, tables, turns
from chat_service.persistence.enums import ThreadKind
from chat_service.persistence.messages import Message
from chat_service.persistence.turns import Turn

_THREADS: Final = tables.threads
_TURNS: Final = tables.turns


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResultRows:
    """A finished turn with its message and its frames."""

    turn: Turn
    message: Message
    frames: Sequence[bytes]


async def insert(connection: AsyncConnection, new: RunResultRows) -> UUID:
    """Returns the id of the message: that of an earlier call for the delivery, if there was one.

    The transaction holds the thread, as `threads.get` does with `lock`.
    """
    turn = new.turn
    inserted = await connection.scalar(
        upsert(_TURNS)
        .values(turns.column_values(turn))
        .on_conflict_do_nothing(
            index_elements=["thread_id", "delivery_id"],
            index_where=sa.text("delivery_id is not null"),
        )
        .returning(_TURNS.c.id)
    )
    if inserted is None:
        return await _find_message(connection, turn)
    await messages.insert(connection, new.message)
    await frames.insert(connection, turn.id, 0, new.frames)
    await connection.execute(
        sa.update(_THREADS)
        .where(_THREADS.c.id == turn.thread_id)
        .values(update_time=sa.func.greatest(_THREADS.c.update_time, turn.create_time))
    )
    return new.message.id


async def list_open_threads(
    connection: AsyncConnection, workspace: str, ids: Sequence[UUID]
) -> set[UUID]:
    """Returns those that are chat threads of the workspace."""
    found = await connection.scalars(
        sa.select(_THREADS.c.id).where(_THREADS.c.id.in_(ids), *_is_chat(workspace))
    )
    return set(found)


async def _find_message(connection: AsyncConnection, turn: Turn) -> UUID:
    found = await connection.scalar(
        sa.select(_TURNS.c.agent_message_id).where(
            _TURNS.c.thread_id == turn.thread_id, _TURNS.c.delivery_id == turn.delivery_id
        )
    )
    assert isinstance(found, UUID)
    return found


def _is_chat(workspace: str) -> "list[sa.ColumnElement[bool]]":
    return [_THREADS.c.workspace_id == workspace, _THREADS.c.kind == ThreadKind.CHAT]
