"""A workspace with an automation, and a dispatcher whose places are looked at."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.notices.dispatcher import NoticeDispatcher
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from automation_service.persistence.run_claims import Claim
from automation_service.persistence.tables import TENANTS
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.db.tenancy import Tenancy

AUTOMATION: Final = UUID(int=7)
MEMBERS: Final = f"""
insert into workspaces (id, create_time) values ('w', now());
insert into users (id, display_name, zone, create_time)
 select u, u, 'Europe/Paris', now() from unnest(array['ada', 'bob', 'cyd']) u;
insert into memberships (workspace_id, user_id, role, seen_time) values
 ('w', 'ada', 'owner', now()), ('w', 'bob', 'editor', now()), ('w', 'cyd', 'editor', now());
insert into automations (id, workspace_id, resource_id, creator_id, name, description,
 status, definition, revision, version, create_time, update_time)
 values ('{AUTOMATION}', 'w', 'tea', 'bob', 'Tea', '', 'active', '{{}}', 1, 1, now(), now());
"""


@dataclass(slots=True)
class Approvals:
    """chat_service, as far as approvals that wait go."""

    pending: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    is_away: bool = False
    gate: asyncio.Event | None = None  # calls wait for it

    async def find_pending(
        self, approvals: Sequence[str], *, workspace: str, user: str
    ) -> Set[str]:
        self.asked.append(list(approvals))
        if self.gate is not None:
            await self.gate.wait()
        if self.is_away:
            raise errors.PeerUnavailable("chat_service")
        return self.pending & set(approvals)


@dataclass(slots=True)
class Told:
    """Places that keep what is put there."""

    batches: list[list[Notice]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # subjects

    async def put(
        self,
        connection: AsyncConnection,
        settings: NoticeSettings,
        told: Sequence[Notice],
        now: datetime,
    ) -> None:
        if any(notice.resource_name in self.refused for notice in told):
            raise RuntimeError("no place")
        self.batches.append(list(told))


@pytest.fixture
async def members(db: AsyncEngine) -> None:
    """ada owns the workspace w; bob and cyd are editors of it; bob created its automation."""
    async with db.begin() as connection:
        raw = await database.asyncpg_connection(connection)
        await raw.execute(MEMBERS)


@pytest.fixture
def approvals() -> Approvals:
    return Approvals()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def dispatcher(
    db: AsyncEngine, clock: ManualClock, members: None, approvals: Approvals, told: Told
) -> NoticeDispatcher:
    return NoticeDispatcher(
        db=db, clock=clock, tenancy=Tenancy(TENANTS), approvals=approvals, put=told.put
    )


def claim(run: int, *, author: str | None, slot_time: datetime) -> Claim:
    values: dict[str, Any] = {
        "run": UUID(int=run),
        "attempt": 1,
        "events": 0,
        "automation_id": AUTOMATION,
        "automation": "tea",
        "workspace": "w",
        "author": author,
        "author_role": "editor",
        "snapshot": "{}",
        "template_rules": 1,
        "inputs": {},
        "trigger_payload": {},
        "trigger_id": "t",
        "slot_time": slot_time,
        "backfill": False,
        "step_results": [],
        "seconds_left": 1.0,
        "cancel_requested": False,
        "end_reason": None,
    }
    return Claim(**values)
