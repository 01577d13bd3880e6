"""Turns in the database of which no service knows."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import tables, turns
from chat_service.persistence.enums import ThreadKind, TitleState, TurnState
from chat_service.persistence.turns import Turn
from shared import resources
from tests.support.system.chat import START

PAST = START - timedelta(days=3650)


async def store(engine: AsyncEngine, count: int = 1, **fields: Any) -> list[Turn]:
    """Running turns of threads of their own, with frames yet to come."""
    workspace = str(resources.new_id())
    threads = [_thread(workspace) for _ in range(count)]
    found = [_turn(thread["id"], workspace, **fields) for thread in threads]
    async with engine.begin() as connection:
        given = {"id": workspace, "create_time": START}
        await connection.execute(sa.insert(tables.tenants.workspaces).values(given))
        await connection.execute(sa.insert(tables.threads), threads)
        await connection.execute(
            sa.insert(tables.turns), [turns.column_values(turn) for turn in found]
        )
    return found


async def read(engine: AsyncEngine, turn: UUID) -> Turn:
    async with engine.connect() as connection:
        found = await turns.get(connection, turn)
    assert found is not None
    return found


async def leave(engine: AsyncEngine, turn: UUID) -> None:
    """Lets the lease run out."""
    t = tables.turns
    async with engine.begin() as connection:
        await connection.execute(sa.update(t).where(t.c.id == turn).values(lease_expire_time=PAST))


def _thread(workspace: str) -> Mapping[str, Any]:
    return {
        "id": resources.new_id(),
        "workspace_id": workspace,
        "created_by": None,
        "kind": ThreadKind.CHAT,
        "title": "",
        "title_state": TitleState.NONE,
        "model_config_id": 0,
        "create_time": START,
        "update_time": START,
    }


def _turn(thread: UUID, workspace: str, **fields: Any) -> Turn:
    given: dict[str, Any] = {
        "state": TurnState.RUNNING,
        "last_sequence": 0,
        "fence": 1,
        "lease_owner": resources.new_id(),
        "lease_expire_time": PAST,
        "cancel_requested": False,
    }
    return Turn(
        id=resources.new_id(),
        thread_id=thread,
        workspace_id=workspace,
        requested_by="ada",
        segments=[0],
        user_message_id=resources.new_id(),
        agent_message_id=resources.new_id(),
        model_config_id=-1,
        time_zone="UTC",
        time_zone_assumed=False,
        locale="",
        disabled_tools=[],
        task=None,
        usage={},
        error=None,
        create_time=START,
        update_time=START,
        end_time=None,
        **(given | fields),
    )
