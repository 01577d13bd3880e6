"""Members that a service recorded lately."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import errors
from shared.db import database
from shared.db.tenancy import CACHE_SECONDS, Tenancy, tenant_tables
from shared.security.caller import Caller, Membership

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


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("calls", "roles"),
    [
        # role and age of each token, and the role of each call
        ([("editor", 2), ("viewer", 1), ("editor", 2)], ["editor", "viewer", "viewer"]),
        ([("viewer", 2), ("owner", 1), ("owner", 1)], ["viewer", "owner", "owner"]),
        ([("viewer", 1), ("owner", 2), ("viewer", 1)], ["viewer", "viewer", "viewer"]),
        ([("owner", 1), ("viewer", 2), ("owner", 1)], ["owner", "viewer", "owner"]),
        ([("owner", 1), ("viewer", 1), ("owner", 1)], ["owner", "viewer", "owner"]),
        # of the same second, the one that is used last
        ([("viewer", 1), ("owner", 1), ("viewer", 1)], ["viewer", "owner", "viewer"]),
    ],
)
async def test_a_token_changes_a_role_unless_it_is_older_and_never_has_more_than_it_says(
    engine: AsyncEngine, calls: list[tuple[str, int]], roles: list[str]
) -> None:
    tenancy = Tenancy(TENANTS)
    seen = [
        await tenancy.admit(engine, _caller("ada", role=role, issued=NOW - age * MINUTE), "w", NOW)
        for role, age in calls
    ]
    assert seen == roles


@pytest.mark.parametrize("source", ["member_call", "sign_in"])
@pytest.mark.parametrize(("stored", "token"), [("owner", "viewer"), ("viewer", "owner")])
async def test_a_token_changes_no_role_that_something_else_set(
    engine: AsyncEngine, source: str, stored: str, token: str
) -> None:
    tenancy = Tenancy(TENANTS)
    await tenancy.admit(engine, _caller("ada"), "w", NOW)
    async with engine.begin() as connection:
        await connection.execute(
            TENANTS.memberships.update().values(role=stored, source=source, set_time=NOW)
        )
    newer = _caller("ada", role=token, issued=NOW + MINUTE)
    assert await tenancy.admit(engine, newer, "w", NOW) == stored


async def test_a_service_acts_with_the_stored_role_and_states_one_for_who_is_new(
    engine: AsyncEngine,
) -> None:
    tenancy = Tenancy(TENANTS)
    with pytest.raises(errors.ResourceNotFound):
        await tenancy.admit(engine, _service(None), "w", NOW)
    old, new = (
        Membership(role=r, set_time=t) for r, t in (("owner", NOW - MINUTE), ("viewer", NOW))
    )
    assert await tenancy.admit(engine, _service(old), "w", NOW) == "owner"
    assert await tenancy.admit(engine, _service(new), "w", NOW) == "viewer"
    assert await tenancy.admit(engine, _service(old), "w", NOW) == "viewer"
    assert await tenancy.admit(engine, _service(None), "w", NOW) == "viewer"


async def test_nothing_that_is_said_brings_a_revoked_member_back(engine: AsyncEngine) -> None:
    tenancy = Tenancy(TENANTS)
    await tenancy.admit(engine, _caller("ada"), "w", NOW)
    async with engine.begin() as connection:
        await connection.execute(TENANTS.memberships.update().values(revoked_time=NOW))
    stated = Membership(role="owner", source="sign_in", set_time=NOW + MINUTE)
    for caller in (_caller("ada", issued=NOW + MINUTE), _service(stated), _service(None)):
        with pytest.raises(errors.ResourceNotFound):
            await tenancy.admit(engine, caller, "w", NOW)


def _caller(user: str, *, role: str = "editor", issued: datetime = NOW) -> Caller:
    return Caller(user=user, workspaces={"w": role}, issue_time=issued)


def _service(stated: Membership | None) -> Caller:
    role = stated.role if stated else ""
    return Caller(user="ada", workspaces={"w": role}, service="chat_service", membership=stated)
