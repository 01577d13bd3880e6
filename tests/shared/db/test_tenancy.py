"""Members that a service recorded lately."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import database
from shared.db.tenancy import CACHE_SECONDS, Tenancy, tenant_tables
from shared.security.caller import Caller

NOW = datetime(2026, 1, 1, tzinfo=UTC)
metadata = database.metadata("chat")
TENANTS = tenant_tables(metadata)


@pytest.fixture
async def engine(chat_database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_database_url, schema="chat")
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.dispose()


async def test_a_member_is_recorded_again_after_a_minute(engine: AsyncEngine) -> None:
    now = [0.0]
    tenancy = Tenancy(TENANTS, timer=lambda: now[0])

    assert not tenancy.is_recorded(_caller("ada"), "w")
    await tenancy.admit(engine, _caller("ada"), "w", NOW)
    now[0] = CACHE_SECONDS - 0.001
    assert tenancy.is_recorded(_caller("ada"), "w")
    assert not tenancy.is_recorded(_caller("ada", role="viewer"), "w")
    now[0] = CACHE_SECONDS
    assert not tenancy.is_recorded(_caller("ada"), "w")


async def test_one_member_too_many_forgets_the_oldest_only(engine: AsyncEngine) -> None:
    tenancy = Tenancy(TENANTS, most_known=3)
    people = [_caller(f"user{n}") for n in range(4)]

    for person in people:
        await tenancy.admit(engine, person, "w", NOW)
    assert [tenancy.is_recorded(person, "w") for person in people] == [False, True, True, True]


def _caller(user: str, *, role: str = "editor") -> Caller:
    return Caller(user=user, workspaces={"w": role})
