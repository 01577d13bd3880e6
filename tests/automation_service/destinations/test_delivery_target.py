"""What results come to: a destination that is dead pauses, and says why."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from rota.automation.v1 import destination_pb2 as dp

from automation_service.destinations.delivery_target import (
    MAX_FAILURES,
    OpenDestination,
    open_destination,
    record_error,
    record_outcome,
)
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.destinations.use_faults import find_use_faults
from automation_service.persistence.enums import DestinationState
from shared.clock import ManualClock
from shared.security.secretbox import SecretBox
from tests.support.calls.destinations import TOPIC, State, create, delete, enable, get, ntfy, update
from tests.support.calls.webhooks import KEY, SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import START, Running, execute, running, until

SECRETS = DestinationSecrets(box=SecretBox.parse(KEY))


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture
async def rota(url: str, keys: Keys, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(url, keys, clock=clock, **SETTINGS) as service:
        yield service


async def opened(rota: Running, name: str) -> OpenDestination:
    async with rota.service.db.connect() as connection:
        segment = name.rpartition("/")[2]
        found = await open_destination(connection, rota.workspace, segment, secrets=SECRETS)
    assert found is not None
    return found


async def outcome(
    rota: Running, tried: OpenDestination, *, ok: bool = False, gone: bool = False
) -> bool:
    async with rota.service.db.begin() as connection:
        error = "" if ok else "it answered 500"
        return await record_outcome(connection, tried, error=error, gone=gone, now=START)


async def test_a_destination_is_opened_with_its_secrets(tenant: Running) -> None:
    await create(tenant, destination_id="alerts")
    async with tenant.service.db.connect() as connection:
        found = await open_destination(connection, tenant.workspace, "alerts", secrets=SECRETS)
        assert await open_destination(connection, "v", "alerts", secrets=SECRETS) is None
    assert found is not None
    assert found.settings.topic.get_secret_value() == TOPIC  # type: ignore[attr-defined]
    assert (found.host, found.owner, found.state) == ("ntfy.sh", None, DestinationState.ACTIVE)
    assert TOPIC not in repr(found)


async def test_five_failures_in_a_row_pause_it_and_a_success_between_does_not(
    rota: Running,
) -> None:
    name = (await create(rota)).name
    tried = await opened(rota, name)
    for _ in range(MAX_FAILURES - 1):
        await outcome(rota, tried)
    found = await get(rota, name)
    assert (found.state, found.consecutive_failures) == (State.ACTIVE, 4)
    assert found.last_error == "it answered 500"
    await outcome(rota, tried, ok=True)
    assert (await get(rota, name)).consecutive_failures == 0
    assert [await outcome(rota, tried) for _ in range(6)] == [True] * 5 + [False]
    paused = await get(rota, name)
    assert paused.state == State.PAUSED
    assert paused.pause_reason == "5 results in a row failed: it answered 500"
    assert paused.etag != found.etag
    [item] = await until(partial(execute, rota.url, "select * from inbox_items"))
    assert (item["user_id"], item["kind"], item["destination"]) == (
        "ada",
        "destination_paused",
        name,
    )
    assert "it answered 500" in item["body"]
    enabled = await enable(rota, name)
    assert (enabled.state, enabled.pause_reason, enabled.consecutive_failures) == (
        State.ACTIVE,
        "",
        0,
    )
    assert (await enable(rota, name)).etag == enabled.etag


async def test_one_that_is_gone_pauses_at_once(tenant: Running) -> None:
    name = (await create(tenant)).name
    assert await outcome(tenant, tried := await opened(tenant, name), gone=True)
    assert (await get(tenant, name)).pause_reason == "it is gone: it answered 500"
    await delete(tenant, name)
    assert not await outcome(tenant, tried)


async def test_what_an_earlier_address_answers_late_says_nothing_of_the_new_one(
    tenant: Running,
) -> None:
    name = (await create(tenant)).name
    tried = await opened(tenant, name)
    await update(tenant, name, "ntfy", ntfy=ntfy(topic="another-topic-of-this-test"))
    assert not await outcome(tenant, tried, gone=True)
    async with tenant.service.db.begin() as connection:
        await record_error(connection, tried, "it answered 500")
    found = await get(tenant, name)
    assert (found.state, found.consecutive_failures, found.last_error) == (State.ACTIVE, 0, "")


async def test_a_rename_and_another_pause_later_leave_what_an_attempt_says(tenant: Running) -> None:
    name = (await create(tenant)).name
    tried = await opened(tenant, name)
    await update(tenant, name, "display_name", display_name="Telephone")
    assert await outcome(tenant, tried)
    async with tenant.service.db.begin() as connection:
        await record_error(connection, tried, "it answered 503")
    found = await get(tenant, name)
    assert (found.consecutive_failures, found.last_error) == (1, "it answered 503")


async def test_an_automation_delivers_to_what_its_author_may_use(tenant: Running) -> None:
    shared = (await create(tenant)).name
    email = dp.EmailSettings(address="bob@example.org")
    his = (await create(tenant, user="bob", email=email, personal=True)).name
    await outcome(tenant, await opened(tenant, shared), gone=True)
    none = f"{tenant.parent}/destinations/none"
    names = [shared, his, none, "workspaces/v/destinations/x"]
    async with tenant.service.db.connect() as connection:
        of_ada = await find_use_faults(connection, tenant.workspace, "ada", names)
        of_bob = await find_use_faults(connection, tenant.workspace, "bob", names)
    assert [(one.name, one.is_refused) for one in of_ada] == [
        (shared, False),
        (his, True),
        (names[2], True),
        (names[3], True),
    ]
    assert [(one.name, one.is_refused) for one in of_bob][1] == (his, False)
    assert "verified" in of_bob[1].description
