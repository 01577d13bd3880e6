"""Messages to a webhook: sent at least once, for about a day, whoever dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from rota.automation.v1 import webhook_pb2 as wp
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.channels.answer import FAULT, ChannelAnswer
from automation_service.outbox_worker import RETRY_DELAYS
from automation_service.persistence.outbox import webhook_deliveries as rows
from automation_service.retention import AutomationRetention, RetentionPolicy
from automation_service.webhooks.delivery import WebhookDeliveryWorker
from automation_service.webhooks.secrets import WebhookSecrets
from automation_service.webhooks.sender import WebhookSender
from shared.clock import ManualClock
from shared.security.secretbox import SecretBox, new_key
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import (
    KEY,
    SETTINGS,
    State,
    crowd,
    delivery,
    ended,
    get,
    listed,
    received,
    rotate,
    tried,
    try_it,
    update,
)
from tests.support.credentials.tokens import Keys
from tests.support.servers.receiver import Receiver
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, execute, running, until

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> AsyncIterator[Running]:
    """A service that fires nothing."""
    settings = {**SETTINGS, "roles": "api,worker"}
    async with running(url, keys, clock=clock, agent=agent, **settings) as service:
        yield service


async def test_a_message_that_is_not_taken_comes_again_under_its_id_for_about_a_day(
    rota: Running, clock: ManualClock, endpoint: Receiver
) -> None:
    secret = (await update(rota, uri=endpoint.url)).secret
    endpoint.always(500)
    began = clock.now()
    name = (await try_it(rota)).name
    for times in range(1, len(RETRY_DELAYS) + 1):
        found = await tried(rota, name, times)
        assert (found.state, found.error) == (State.PENDING, "it answered 500")
        due = found.next_attempt_time.ToDatetime(began.tzinfo)
        wait = due - clock.now()
        assert RETRY_DELAYS[times - 1] <= wait <= RETRY_DELAYS[times - 1] * 1.2
        assert len(endpoint.received) == times
        clock.set(due)
    found = await ended(rota, name)
    assert (found.state, found.attempts) == (State.FAILED, len(RETRY_DELAYS) + 1)
    assert (found.status_code, found.error) == (500, "it answered 500")
    assert not found.HasField("next_attempt_time")
    assert timedelta(hours=22) < clock.now() - began < timedelta(hours=28)
    assert len({one.id for one in endpoint.received}) == 1
    assert len({one.body for one in endpoint.received}) == 1
    assert all(one.is_signed_by(secret) for one in endpoint.received)
    # Each try at its own time, so that a receiver may refuse what is old.
    assert (
        len({one.headers["webhook-timestamp"] for one in endpoint.received})
        == len(RETRY_DELAYS) + 1
    )


async def test_an_endpoint_that_recovers_gets_what_waited(
    rota: Running, clock: ManualClock, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    endpoint.always(503, retry_after="90")
    name = (await try_it(rota)).name
    found = await tried(rota, name, 1)
    due = found.next_attempt_time.ToDatetime(clock.now().tzinfo)
    assert due - clock.now() == timedelta(seconds=90)
    endpoint.always(200)
    clock.set(due)
    found = await ended(rota, name)
    assert (found.state, found.attempts, found.error) == (State.DELIVERED, 2, "")


async def test_an_unexpected_error_is_an_attempt_with_a_next_try(
    rota: Running, clock: ManualClock, endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(rota, uri=endpoint.url)

    async def fail(*_: object) -> ChannelAnswer:
        raise ValueError("code")

    with monkeypatch.context() as broken:
        broken.setattr(WebhookSender, "send", fail)
        name = (await try_it(rota)).name
        found = await tried(rota, name, 1)
    assert (found.state, found.error) == (State.PENDING, FAULT)
    clock.set(found.next_attempt_time.ToDatetime(clock.now().tzinfo))
    assert (await ended(rota, name)).state == State.DELIVERED


async def test_an_endpoint_that_is_gone_turns_the_webhook_off(
    rota: Running, clock: ManualClock, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    endpoint.always(500)
    waiting = (await try_it(rota)).name
    await tried(rota, waiting, 1)
    endpoint.always(410)
    gone = (await try_it(rota)).name
    assert (await ended(rota, gone)).error == "it answered 410"
    assert (await ended(rota, waiting)).error == "the webhook was turned off"
    found = await get(rota)
    assert found.disabled
    assert found.disabled_reason == "Its endpoint answered 410: it is gone."
    assert (await refusal(try_it(rota))).reason == "STATE_CONFLICT"
    endpoint.always(200)
    found = await update(rota, disabled=False)
    assert (found.disabled, found.disabled_reason) == (False, "")
    assert (await ended(rota, (await try_it(rota)).name)).state == State.DELIVERED


async def test_turning_it_off_gives_up_what_waits(rota: Running, endpoint: Receiver) -> None:
    await update(rota, uri=endpoint.url)
    endpoint.always(500)
    name = (await try_it(rota)).name
    await tried(rota, name, 1)
    await update(rota, "uri")
    found = await delivery(rota, name)
    assert (found.state, found.error) == (State.FAILED, "the webhook was turned off")


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(
    rota: Running, clock: ManualClock, endpoint: Receiver
) -> None:
    old = (await update(rota, uri=endpoint.url)).secret
    made = await rotate(rota)
    assert made.secret not in ("", old)
    assert made.previous_secret_expire_time.ToDatetime(clock.now().tzinfo) == clock.now() + DAY
    await ended(rota, (await try_it(rota)).name)
    clock.advance(DAY)
    await ended(rota, (await try_it(rota)).name)
    both, one = endpoint.received
    assert both.is_signed_by(old)
    assert both.is_signed_by(made.secret)
    assert one.is_signed_by(made.secret)
    assert not one.is_signed_by(old)
    newest = (await rotate(rota, revoke_previous=True)).secret
    await ended(rota, (await try_it(rota)).name)
    assert endpoint.received[2].signatures == 1
    assert endpoint.received[2].is_signed_by(newest)


async def test_with_a_new_key_the_secret_is_encrypted_anew_and_the_old_key_may_go(
    url: str, keys: Keys, clock: ManualClock, endpoint: Receiver
) -> None:
    local, new = {"local_webhooks": True}, new_key()
    async with running(url, keys, clock=clock, roles="api", secret_keys=KEY, **local) as rota:
        secret = (await update(rota, uri=endpoint.url)).secret
        await rotate(rota)
        [before] = await execute(url, "select * from webhooks")
    async with running(url, keys, clock=clock, secret_keys=f"{new},{KEY}", **local) as rota:

        async def resealed() -> bool:
            [row] = await execute(url, "select * from webhooks")
            return all(row[c] != before[c] for c in ("secret", "previous_secret"))

        await until(resealed)
    async with running(url, keys, clock=clock, secret_keys=new, **local) as rota:
        assert (await ended(rota, (await try_it(rota)).name)).state == State.DELIVERED
        assert endpoint.received[0].is_signed_by(secret)
    async with running(url, keys, clock=clock, secret_keys=new_key(), **local) as rota:
        found = await tried(rota, (await try_it(rota)).name, 1)
        assert found.error == "its secret can't be read"


async def test_a_worker_that_is_told_to_stop_does_not_wait_for_its_next_look(
    clock: ManualClock, db: AsyncEngine
) -> None:
    secrets = WebhookSecrets(box=SecretBox.parse(KEY))
    worker = WebhookDeliveryWorker(
        db=db, clock=clock, secrets=secrets, poll_interval=timedelta(hours=1)
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(60):
        await running


async def test_a_message_of_a_process_that_died_is_sent_by_another(
    url: str, keys: Keys, clock: ManualClock, endpoint: Receiver, db: AsyncEngine
) -> None:

    async with running(url, keys, clock=clock, roles="api", **SETTINGS) as rota:
        await update(rota, uri=endpoint.url)
        name = (await try_it(rota)).name
        async with db.begin() as connection:
            [lost] = await rows.claim_due(
                connection, clock.now(), lease=MINUTE, per_workspace=4, workspaces=9, busy=[]
            )
        assert str(lost.id) in name
        async with db.begin() as connection:
            again = await rows.claim_due(
                connection, clock.now(), lease=MINUTE, per_workspace=4, workspaces=9, busy=[]
            )
        assert again == []
    clock.advance(MINUTE)
    async with running(url, keys, clock=clock, **SETTINGS) as rota:
        found = await ended(rota, name)
        assert (found.state, found.attempts) == (State.DELIVERED, 2)
    async with db.begin() as connection:
        # The one that was thought dead comes back, and changes nothing.
        assert not await rows.postpone(
            connection, lost, status_code=500, error="late", until=clock.now()
        )


async def test_two_replicas_send_a_message_once(
    url: str, keys: Keys, clock: ManualClock, endpoint: Receiver
) -> None:

    settings = {**SETTINGS, "roles": "api,worker"}
    async with (
        running(url, keys, clock=clock, **settings) as rota,
        running(url, keys, clock=clock, **settings),
    ):
        await update(rota, uri=endpoint.url)
        names = [(await try_it(rota)).name for _ in range(12)]
        for name in names:
            assert (await ended(rota, name)).attempts == 1
        assert sorted(one.id for one in endpoint.received) == sorted(
            name.rpartition("/")[2] for name in names
        )


async def test_a_slow_endpoint_holds_up_only_its_own(
    rota: Running, url: str, keys: Keys, endpoint: Receiver
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await update(rota, uri=f"http://127.0.0.1:{port}/")
        slow = [(await try_it(rota)).name for _ in range(8)]
        other = "workspaces/v/webhook"
        bob = keys.user_headers("bob", workspaces={"v": "owner"})
        request = wp.UpdateWebhookRequest(webhook=wp.Webhook(name=other, uri=endpoint.url))
        await rota.call("UpdateWebhook", request, headers=bob)
        await rota.call("TestWebhook", wp.TestWebhookRequest(name=other), headers=bob)
        await until(lambda: received(endpoint, 1))
        assert {(await delivery(rota, name)).state for name in slow} == {State.PENDING}
        await update(rota, "uri")  # so that nobody waits for the silent ones at the end


async def test_too_many_waiting_are_given_up_at_once_and_say_so(
    rota: Running, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    endpoint.always(500)
    await tried(rota, (await try_it(rota)).name, 1)
    await crowd(rota)
    found = await try_it(rota)
    assert (found.state, found.error) == (State.FAILED, rows.TOO_MANY_PENDING)


async def test_ended_messages_go_after_their_time_and_waiting_ones_stay(
    rota: Running, url: str, clock: ManualClock, db: AsyncEngine, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    await ended(rota, (await try_it(rota)).name)
    endpoint.always(500)
    waits = (await try_it(rota)).name
    await tried(rota, waits, 1)
    later = ManualClock(clock.now() + 31 * DAY)
    swept = await AutomationRetention(db=db, clock=later, policy=RetentionPolicy()).delete_expired()
    assert (swept["webhook_deliveries"], swept["deliveries"]) == (1, 0)
    assert [d.name for d in (await listed(rota)).webhook_deliveries] == [waits]


async def test_the_workspace_that_waits_for_the_longest_comes_first_whatever_its_name(
    url: str, db: AsyncEngine, clock: ManualClock
) -> None:
    await execute(
        url,
        "insert into workspaces (id, create_time)"
        " select 'w' || lpad(n::text, 2, '0'), now() from generate_series(1, 25) n",
    )
    await execute(
        url,
        "insert into webhook_deliveries (id, workspace_id, event_type, subject, body, status,"
        " create_time, next_attempt_time)"
        " select gen_random_uuid(), id, 'run.failed', '', '{}', 'pending', $1::timestamptz,"
        " $1::timestamptz - substr(id, 2)::int * interval '1 second' from workspaces",
        clock.now(),
    )
    async with db.begin() as connection:
        claimed = await rows.claim_due(
            connection, clock.now(), lease=MINUTE, per_workspace=2, workspaces=20, busy=()
        )
    assert {one.workspace for one in claimed} == {f"w{n:02}" for n in range(6, 26)}
