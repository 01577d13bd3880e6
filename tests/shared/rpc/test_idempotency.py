"""Requests with a request_id take effect once, and only for callers with access."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.db.tenancy import Tenancy, tenant_tables
from shared.rpc.access import Access
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.security.caller import Caller, CallerScope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "workspaces/w/threads/t"
metadata = database.metadata("chat")
TENANTS = tenant_tables(metadata)


@pytest.fixture
async def db(chat_database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_database_url, schema="chat")
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.dispose()


@pytest.fixture
async def access(db: AsyncEngine) -> Access:
    found = Access(db=db, clock=ManualClock(NOW), tenancy=Tenancy(TENANTS))
    with CallerScope(_caller()):
        await found.admit(NAME, "editor")
    return found


@pytest.fixture
def idempotency(db: AsyncEngine) -> Idempotency:
    return Idempotency(db=db, clock=ManualClock(NOW), tenancy=Tenancy(TENANTS))


def _caller(role: str = "editor") -> Caller:
    return Caller(user="ada", workspaces={"w": role})


def _key(request_id: str, *, title: str = "") -> IdempotencyKey:
    request = pb.CreateThreadRequest(request_id=request_id, thread=pb.Thread(display_name=title))
    return IdempotencyKey.of(request, rpc="CreateThread", workspace="w", user="ada")


class Counter:
    made = 0

    async def make(self) -> str:
        self.made += 1
        return f"thing {self.made}"


@pytest.mark.usefixtures("access")
async def test_a_repeat_gets_what_the_first_request_made(
    db: AsyncEngine, idempotency: Idempotency
) -> None:
    key, counter = _key(str(uuid4())), Counter()
    found = []
    for _ in range(2):
        async with db.begin() as connection:
            found.append(await idempotency.run(connection, key, counter.make))
    assert found == [("thing 1", True), ("thing 1", False)]
    assert await idempotency.look_up(key) == "thing 1"


@pytest.mark.usefixtures("access")
async def test_a_request_without_an_id_is_always_new(
    db: AsyncEngine, idempotency: Idempotency
) -> None:
    counter = Counter()
    async with db.begin() as connection:
        for number in (1, 2):
            found = await idempotency.run(connection, _key(""), counter.make)
            assert found == (f"thing {number}", True)
    assert await idempotency.look_up(_key("")) is None


@pytest.mark.usefixtures("access")
async def test_a_request_id_with_another_body_is_refused(
    db: AsyncEngine, idempotency: Idempotency
) -> None:
    request_id = str(uuid4())
    async with db.begin() as connection:
        await idempotency.store(connection, _key(request_id), "thing")
    with pytest.raises(errors.RequestIdReused):
        await idempotency.look_up(_key(request_id, title="another"))


def test_a_request_id_is_the_same_in_either_case() -> None:
    request_id = str(uuid4())
    assert _key(request_id.upper()) == _key(request_id)
    assert _key(request_id.upper(), title="another") != _key(request_id)


async def test_who_was_revoked_does_not_find_the_name(db: AsyncEngine, access: Access) -> None:
    async with db.begin() as connection:
        await connection.execute(TENANTS.memberships.update().values(revoked_time=NOW))
    with CallerScope(_caller()):
        assert access.identify(NAME).user == "ada"
        with pytest.raises(errors.ResourceNotFound, match=NAME):
            await access.admit(NAME, "editor")


@pytest.mark.parametrize("name", ["workspaces/other/threads/t", "threads/t"])
async def test_another_workspace_is_not_found(access: Access, name: str) -> None:
    with CallerScope(_caller()), pytest.raises(errors.ResourceNotFound, match=name):
        await access.admit(name, "viewer")


async def test_a_role_that_is_too_low_is_refused(access: Access) -> None:
    with CallerScope(_caller("viewer")), pytest.raises(errors.PermissionDenied):
        await access.admit(NAME, "editor")
