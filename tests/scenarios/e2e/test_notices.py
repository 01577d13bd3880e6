"""An approval waits in one service, and the webhook of the other tells of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from rota.automation.v1 import webhook_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.security.secretbox import new_key
from tests.support.credentials.tokens import Keys
from tests.support.servers.receiver import Receiver, receiver
from tests.support.system.chat import SCHEDULE, WORKSPACE, approval_of, approve, until
from tests.support.system.pair import Pair, pair


@pytest.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    settings: dict[str, Any] = {
        "secret_keys": new_key(),
        "local_webhooks": True,
        "look_seconds": 0.2,
    }
    async with pair(both_databases, keys, demo.base_url, clock, **settings) as running:
        yield running


async def test_each_approval_that_waits_is_told_once_and_signed(
    road: Pair, endpoint: Receiver
) -> None:
    webhook = pb.Webhook(name=f"{WORKSPACE}/webhook", uri=endpoint.url)
    request = pb.UpdateWebhookRequest(webhook=webhook)
    secret = (await road.automations.UpdateWebhook(request, metadata=road.metadata)).secret
    first = approval_of(await road.chat.send(SCHEDULE))

    async def told() -> bool:
        return len(endpoint.of_type("approval.requested")) >= 1

    await until(told)
    await road.chat.resume(first.turn, approve(first))
    second = approval_of(await road.chat.send(SCHEDULE))

    async def told_again() -> bool:
        return len(endpoint.of_type("approval.requested")) >= 2

    await until(told_again)
    received = endpoint.of_type("approval.requested")
    assert [one.json["data"]["approval"] for one in received] == [first.name, second.name]
    assert received[0].json["data"]["turn"] == first.turn
    assert received[0].json["data"]["action_type"] == "automation_create"
    assert all(one.is_signed_by(secret) for one in received)
    assert all(SCHEDULE.encode() not in one.body for one in received)
