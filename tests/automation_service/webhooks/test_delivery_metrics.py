"""What operators can see of messages to webhooks: what became of them, and how long they wait."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from automation_service.outbox_worker import RETRY_DELAYS
from automation_service.persistence.outbox.webhook_deliveries import MAX_PENDING
from shared.clock import ManualClock
from tests.support.calls.webhooks import SETTINGS, crowd, ended, tried, try_it, update
from tests.support.credentials.tokens import Keys
from tests.support.servers.receiver import Receiver
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, running, until
from tests.support.telescope import Telescope

DELIVERIES = "rota.webhook.deliveries"
HOUR = timedelta(hours=1)


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, endpoint: Receiver
) -> AsyncIterator[Running]:
    settings = {**SETTINGS, "roles": "api,worker"}
    async with running(url, keys, clock=clock, agent=agent, **settings) as service:
        await update(service, uri=endpoint.url)
        yield service


@pytest.fixture
def telescope() -> Telescope:
    return Telescope()


async def counted(telescope: Telescope, **expected: int) -> None:
    def found() -> dict[str, float]:
        return {outcome: telescope.count(DELIVERIES, outcome=outcome) for outcome in expected}

    async def so() -> bool:
        return found() == expected

    await until(so)


async def test_each_try_and_each_end_is_counted(
    rota: Running, clock: ManualClock, endpoint: Receiver, telescope: Telescope
) -> None:
    endpoint.always(500)
    name = (await try_it(rota)).name
    await tried(rota, name, 1)
    await counted(telescope, delivered=0, retried=1, given_up=0)
    endpoint.always(200)
    clock.set(clock.now() + 2 * RETRY_DELAYS[0])
    await ended(rota, name)
    await counted(telescope, delivered=1, retried=1, given_up=0)


async def test_what_is_given_up_without_a_try_is_counted_too(
    rota: Running, endpoint: Receiver, telescope: Telescope
) -> None:
    endpoint.always(500)
    await tried(rota, (await try_it(rota)).name, 1)
    await crowd(rota)
    await try_it(rota)  # one too many
    await counted(telescope, retried=1, given_up=1)
    await update(rota, "uri")  # and with the webhook, those that wait
    await counted(telescope, retried=1, given_up=1 + MAX_PENDING)


async def test_an_endpoint_that_is_gone_gives_up_all_that_waits(
    rota: Running, endpoint: Receiver, telescope: Telescope
) -> None:
    endpoint.always(500)
    await tried(rota, (await try_it(rota)).name, 1)
    endpoint.always(410)
    await ended(rota, (await try_it(rota)).name)
    await counted(telescope, delivered=0, retried=1, given_up=2)


async def test_how_long_the_oldest_message_waits_is_read(
    rota: Running, clock: ManualClock, endpoint: Receiver, telescope: Telescope
) -> None:
    endpoint.always(500, retry_after=str(48 * 3600))
    await tried(rota, (await try_it(rota)).name, 1)
    clock.set(clock.now() + HOUR)
    await tried(rota, (await try_it(rota)).name, 1)

    async def an_hour() -> bool:
        return telescope.gauge("rota.webhook.oldest") == HOUR.total_seconds()

    await until(an_hour)
    await update(rota, "uri")
    clock.set(clock.now() + HOUR)

    async def none() -> bool:
        return telescope.gauge("rota.webhook.oldest") == 0

    await until(none)
