"""Tests and codes: sent through the channel itself, few of them, and good for one member."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from rota.automation.v1 import destination_pb2 as dp

from automation_service.destinations.verification import HOUR, MAX_OF_DESTINATION, MAX_OF_PERSON
from automation_service.destinations.verification_code import (
    CODE_LIFE,
    MAX_TRIES,
    hash_code,
    make_code,
    matches_code,
    normalise_code,
)
from shared.clock import ManualClock
from shared.errors import Code
from tests.support.calls import destinations
from tests.support.calls.destinations import TOPIC, create, get, ntfy, update
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.servers.code_receiver import CodeReceiver
from tests.support.servers.receivers import receivers
from tests.support.system.automation import Running, execute, new_request_id, running

WRONG = "22222222"


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture
async def rota(url: str, keys: Keys, clock: ManualClock) -> AsyncIterator[Running]:
    """One whose clock a test may set."""
    async with running(url, keys, clock=clock, roles="api", **SETTINGS) as service:
        yield service


@pytest.fixture
def phone() -> Iterator[CodeReceiver]:
    made = CodeReceiver()
    yield made
    made.close()


async def send(
    rota: Running, name: str, *, verify: bool = False, request_id: str = "", **who: Any
) -> Any:
    request = dp.TestDestinationRequest(name=name, verify=verify, request_id=request_id)
    return await destinations.call(rota, "TestDestination", request, **who)


async def give(rota: Running, name: str, code: str, *, request_id: str = "", **who: Any) -> Any:
    request = dp.VerifyDestinationRequest(name=name, code=code, request_id=request_id)
    return await destinations.call(rota, "VerifyDestination", request, **who)


async def test_a_test_is_sent_once_for_a_request(tenant: Running, phone: CodeReceiver) -> None:
    made = await create(tenant, ntfy=ntfy(server=phone.url))
    again = new_request_id()
    first = await send(tenant, made.name, request_id=again)
    assert (first.status_code, first.error) == (200, "")
    assert not (await send(tenant, made.name, request_id=again)).error
    [message] = phone.messages[TOPIC]
    assert message["title"] == "A test from Rota"
    assert first.destination.etag == made.etag


async def test_what_refuses_a_test_is_an_answer_and_no_failed_result(
    tenant: Running, phone: CodeReceiver
) -> None:
    made = await create(tenant, ntfy=ntfy(server="http://127.0.0.1:1"))
    found = await send(tenant, made.name)
    assert found.error
    assert found.destination.last_error == found.error
    assert found.destination.consecutive_failures == 0


async def test_a_code_verifies_the_member_who_asked_for_it(
    tenant: Running, phone: CodeReceiver
) -> None:
    made = await create(tenant, user="bob", ntfy=ntfy(server=phone.url))
    sent = await send(tenant, made.name, verify=True, user="bob")
    assert sent.destination.HasField("code_expire_time")
    code = phone.code(TOPIC)
    # It was sent for bob, and no one else, though ada manages the destination too.
    refused = await refusal(give(tenant, made.name, code))
    assert refused.reason == "STATE_CONFLICT"
    assert not (await get(tenant, made.name)).HasField("code_expire_time")
    find = "select * from destinations where workspace_id = $1"
    [row] = await execute(tenant.url, find, tenant.workspace)
    assert code not in str(row)
    again = new_request_id()
    typed = f" {code[:4].lower()}-{code[4:]} "
    verified = await give(tenant, made.name, typed, user="bob", request_id=again)
    assert verified.verified_member == "users/bob"
    assert (await give(tenant, made.name, typed, user="bob", request_id=again)) == verified
    assert (await refusal(give(tenant, made.name, code, user="bob"))).reason == "STATE_CONFLICT"
    moved = await update(tenant, made.name, user="bob", ntfy=ntfy(server=phone.url, topic="other"))
    assert (moved.verified_member, moved.HasField("verify_time")) == ("", False)


async def test_a_code_is_good_for_a_few_tries(tenant: Running, phone: CodeReceiver) -> None:
    made = await create(tenant, ntfy=ntfy(server=phone.url))
    await send(tenant, made.name, verify=True)
    code = phone.code(TOPIC)
    for left in range(MAX_TRIES - 1, -1, -1):
        refused = await refusal(give(tenant, made.name, WRONG))
        assert (refused.code, refused.violations[0].field) == (Code.INVALID_ARGUMENT, "code")
        assert refused.violations[0].description.endswith(str(left))
    assert (await refusal(give(tenant, made.name, code))).reason == "STATE_CONFLICT"
    await send(tenant, made.name, verify=True)
    assert (await give(tenant, made.name, phone.code(TOPIC))).verified_member == "users/ada"


async def test_a_code_ends_with_its_time(
    rota: Running, phone: CodeReceiver, clock: ManualClock
) -> None:
    made = await create(rota, ntfy=ntfy(server=phone.url))
    await send(rota, made.name, verify=True)
    clock.set(clock.now() + CODE_LIFE + timedelta(seconds=1))
    refused = await refusal(give(rota, made.name, phone.code(TOPIC)))
    assert refused.reason == "STATE_CONFLICT"


async def test_a_code_that_is_refused_does_not_wait(tenant: Running) -> None:
    async with receivers("ntfy") as phone:
        made = await create(tenant, ntfy=ntfy(server=phone.url))
        for status, waits in ((503, True), (404, False)):
            phone.fail_next(status)
            sent = await send(tenant, made.name, verify=True)
            assert sent.error
            assert sent.destination.HasField("code_expire_time") is waits


async def test_few_tests_are_sent_in_an_hour(
    rota: Running, phone: CodeReceiver, clock: ManualClock
) -> None:
    made = [await create(rota, ntfy=ntfy(server=phone.url, topic=f"t{n}")) for n in range(5)]
    for _ in range(MAX_OF_DESTINATION):
        await send(rota, made[0].name)
    assert (await refusal(send(rota, made[0].name))).reason == "RATE_LIMITED"
    clock.set(clock.now() + timedelta(minutes=39))
    for number in range(MAX_OF_PERSON - MAX_OF_DESTINATION):
        await send(rota, made[1 + number % 4].name)
    refused = await refusal(send(rota, made[4].name))
    # The oldest that counts was 39 minutes ago.
    assert (refused.reason, refused.retry_after) == ("RATE_LIMITED", timedelta(minutes=21))
    assert sum(map(len, phone.messages.values())) == MAX_OF_PERSON
    clock.set(clock.now() + HOUR + timedelta(seconds=1))
    await send(rota, made[0].name)


def test_a_code_is_known_only_by_its_hash() -> None:
    code = make_code()
    hashed = hash_code(code)
    assert code.encode() not in hashed
    assert matches_code(normalise_code(code.lower()), hashed)
    assert not matches_code(make_code(), hashed)
    assert hash_code(code) != hashed
