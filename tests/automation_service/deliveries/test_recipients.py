"""What goes to a thread or a destination arrives there, or is refused with a reason."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from rota.automation.v1 import delivery_pb2 as dp
from rota.automation.v1 import destination_pb2 as destinations

from automation_service.channels.channel import ChannelPorts
from automation_service.deliveries import recipients
from automation_service.deliveries.recipients import Recipients
from automation_service.deliveries.service import HIDDEN
from automation_service.deliveries.worker import DeliveryWorker
from automation_service.destinations.delivery_target import MAX_FAILURES
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.persistence.outbox import destinations as rows
from automation_service.runs.agent_client import ThreadResult
from shared import errors
from shared.clock import ManualClock
from shared.security.secretbox import SecretBox
from tests.automation_service.deliveries.test_worker import (  # noqa: F401
    get,
    listed,
    ran,
    rota,
    send,
    stub,
)
from tests.automation_service.runs.steps.test_deliveries import again, tell
from tests.automation_service.runs.test_executor import plan, step
from tests.support.calls.destinations import State, create, delete, enable, ntfy
from tests.support.calls.destinations import get as get_destination
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import KEY
from tests.support.servers.receivers import SECRET, ServiceReceiver, receivers
from tests.support.system.automation import Running, execute, until

THREAD = "workspaces/w/threads/t"
RESULTS = "select * from inbox_items where kind = 'result'"
NOTICES = "select * from notices where kind = 'delivery_failed'"
LOST = "there is no such thread, so results come to the inbox instead."
PLACE = "workspaces/w/destinations/place"
PAGE = "https://rota.example.org/"


@dataclass(slots=True)
class Threads:
    """chat_service as a delivery sees it; `faults` are raised first."""

    faults: list[errors.RotaError] = field(default_factory=list)
    taken: list[tuple[ThreadResult, str, str]] = field(default_factory=list)

    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append((result, thread, user))
        return f"{thread}/messages/m"


def worker_of(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: Threads | None = None,
    **more: Any,
) -> DeliveryWorker:
    given = {"secrets": DestinationSecrets(box=SecretBox.parse(KEY)), "page_url": PAGE, **more}
    ports = ChannelPorts(clock=clock, local=True)
    of = Recipients(db=rota.service.db, agent=agent or Threads(), ports=ports, **given)
    return DeliveryWorker(db=rota.service.db, clock=clock, recipients=of)


async def test_a_thread_gets_it_when_chat_service_is_back_and_the_inbox_counts_it(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    [made] = await ran(rota, clock, THREAD)
    threads = Threads([errors.PeerUnavailable("chat_service")])
    worker = worker_of(rota, clock, threads)
    await send(worker)
    assert (await get(rota, made.name)).state == dp.Delivery.RETRYING
    assert await execute(rota.url, "select * from inbox_items") == []
    clock.set(clock.now() + timedelta(minutes=1))
    await send(worker)
    assert (await get(rota, made.name)).state == dp.Delivery.SENT
    [(result, thread, user)] = threads.taken
    assert (thread, user, result.delivery) == (THREAD, "ada", made.name)
    assert (result.automation_display_name, result.body) == ("Morning news", "did: do it")
    [item] = await execute(rota.url, "select * from inbox_items")
    assert (item["user_id"], item["thread"], item["delivery"]) == ("ada", THREAD, made.name)


async def test_a_step_for_the_inbox_and_a_thread_makes_one_item_which_names_the_thread_once_there(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    made = {one.destination: one.name for one in await ran(rota, clock, "inbox", THREAD)}
    [item] = await execute(rota.url, "select * from inbox_items")
    assert (item["thread"], item["delivery"]) == ("", made["inbox"])
    await execute(rota.url, "update inbox_items set read_time = $1, sequence = 1", clock.now())
    await send(worker_of(rota, clock))
    [item] = await execute(rota.url, "select * from inbox_items")
    assert (item["thread"], item["delivery"]) == (THREAD, made[THREAD])
    assert item["read_time"] is not None  # the person has read it
    assert item["sequence"] is None  # and whoever watches is told


async def test_a_result_stays_in_the_inbox_when_its_thread_is_gone(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    await ran(rota, clock, "inbox", THREAD)
    await send(worker_of(rota, clock, Threads([errors.ResourceNotFound(THREAD)])))
    [item] = await execute(rota.url, RESULTS)
    assert item["thread"] == ""


async def test_a_result_whose_thread_is_gone_comes_to_the_inbox_and_is_told_once(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    name: str = (await rota.create(plan(step("news"), tell(THREAD)))).name
    threads = Threads([errors.ResourceNotFound(THREAD)] * 2)
    worker = worker_of(rota, clock, threads)
    for count in (1, 2):
        await again(rota, clock, name, count)
        await send(worker)
    second, first = await listed(rota, f"{name}/runs/-")
    assert (first.state, first.error) == (dp.Delivery.FAILED, recipients.NO_THREAD)
    items = await execute(rota.url, f"{RESULTS} order by create_time")
    assert [one["delivery"] for one in items] == [first.name, second.name]
    assert {(one["thread"], one["body"], one["user_id"]) for one in items} == {
        ("", "did: do it", "ada")
    }
    [note] = (await rota.get(name)).notes
    assert note == "Nothing reaches its thread: " + LOST
    # One that is sent again in vain is no second item.
    threads.faults.append(errors.ResourceNotFound(THREAD))
    again_ = dp.RetryDeliveryRequest(name=first.name)
    await stub(rota).RetryDelivery(again_, metadata=rota.keys.user_headers())
    await send(worker)
    assert len(await execute(rota.url, RESULTS)) == 2
    [told] = await execute(rota.url, NOTICES)
    assert (told["user_id"], json.loads(told["facts"])["place"]) == ("ada", "its thread")
    assert told["subject"] == first.name.partition("/deliveries/")[0]
    # After one that arrived, a further one that does not is told again.
    await again(rota, clock, name, 3)
    await send(worker)
    assert list((await rota.get(name)).notes) == []
    threads.faults.append(errors.ResourceNotFound(THREAD))
    await again(rota, clock, name, 4)
    await send(worker)
    assert len(await execute(rota.url, NOTICES)) == 2


async def test_a_result_that_reaches_no_destination_is_told_to_whom_its_pause_is_not(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    async with receivers("ntfy") as phone:
        for user in ("ada", "bob"):
            settings = ntfy(server=phone.url, topic=f"of_{user}_topic")
            await create(rota, destination_id=user, user=user, display_name="Phone", ntfy=settings)
        phone.fail_next(410)
        phone.fail_next(410)
        await ran(rota, clock, *(f"workspaces/w/destinations/{one}" for one in ("ada", "bob")))
        await execute(rota.url, "update memberships set role = 'editor' where user_id = 'ada'")
        await send(worker_of(rota, clock))
    [told] = await execute(rota.url, NOTICES)
    assert told["user_id"] == "ada"
    facts = json.loads(told["facts"])
    assert facts["destination"] == "workspaces/w/destinations/bob"
    assert facts["place"] == f"Phone (Ntfy at {urlsplit(phone.url).hostname})"


@pytest.mark.parametrize(
    ("to", "fault", "why"),
    [
        (THREAD, errors.ResourceNotFound(THREAD), recipients.NO_THREAD),
        (THREAD, errors.CreatorAccessLost("no"), recipients.NO_USER),
        ("workspaces/other/threads/t", None, recipients.NO_DESTINATION),
        ("workspaces/w/destinations/none", None, recipients.NO_DESTINATION),
    ],
)
async def test_what_nobody_takes_fails_at_once_and_says_why(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    to: str,
    fault: errors.RotaError | None,
    why: str,
) -> None:
    [made] = await ran(rota, clock, to)
    threads = Threads([fault] if fault else [])
    await send(worker_of(rota, clock, threads))
    found = await get(rota, made.name)
    assert (found.state, found.error, found.attempt_count) == (dp.Delivery.FAILED, why, 1)
    assert threads.taken == []


async def test_a_destination_gets_it_under_its_id_with_a_link_and_the_output_it_asks_for(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    async with receivers("webhook") as endpoint:
        webhook = {"uri": endpoint.settings["uri"], "signing_secret": SECRET}
        settings = destinations.WebhookSettings(**webhook, include_output=True)
        await create(rota, destination_id="place", webhook=settings)
        endpoint.fail_next(503)
        [made] = await ran(rota, clock, PLACE)
        worker = worker_of(rota, clock)
        await send(worker)
        assert (await get(rota, made.name)).state == dp.Delivery.RETRYING
        assert (await get_destination(rota, PLACE)).last_error == "it answered 503"
        clock.set(clock.now() + timedelta(minutes=1))
        await send(worker)
        assert (await get(rota, made.name)).state == dp.Delivery.SENT
        assert (await get_destination(rota, PLACE)).last_error == ""
        [accepted] = endpoint.accepted
        assert accepted.key == made.name.rpartition("/")[2]
        run = made.name.partition("/deliveries/")[0]
        data = accepted.payload["data"]
        assert (data["run"], data["output"], data["body"]) == (run, "did: do it", "did: do it")
        assert accepted.link == f"https://rota.example.org/#/{run}"


async def test_a_dead_destination_pauses_and_what_comes_then_is_kept(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    async with receivers("ntfy") as phone:
        await create(rota, destination_id="place", ntfy=ntfy(server=phone.url))
        async with rota.service.db.begin() as connection:
            found = await rows.find(connection, "w", "place")
            assert found is not None
            await rows.update_columns(
                connection, found.id, {"consecutive_failures": MAX_FAILURES - 1}
            )
        first, second = await ran(rota, clock, PLACE, "workspaces/w/destinations/gone")
        by_place = {one.destination: one for one in (first, second)}
        phone.fail_next(410)
        phone.fail_next(404)
        await send(worker_of(rota, clock))
        failed = await get(rota, by_place[PLACE].name)
        assert (failed.state, failed.body) == (dp.Delivery.FAILED, "did: do it")
        place = await get_destination(rota, PLACE)
        assert place.state == State.PAUSED
        paused = "select * from inbox_items where kind = 'destination_paused'"
        [item] = await until(partial(execute, rota.url, paused))
        assert item["destination"] == PLACE
        lost = "select * from inbox_items where kind = 'delivery_failed'"
        [item] = await until(partial(execute, rota.url, lost))
        assert "did not reach the destination gone: there is no such dest" in item["body"]
        assert item["run"] == failed.name.partition("/deliveries/")[0]
        called = len(phone.calls)
        request = dp.RetryDeliveryRequest(name=failed.name)
        await stub(rota).RetryDelivery(request, metadata=rota.keys.user_headers())
        await send(worker_of(rota, clock))
        again = await get(rota, failed.name)
        assert again.state == dp.Delivery.FAILED
        assert again.error == f"{recipients.PAUSED}: {place.pause_reason}"
        assert len(phone.calls) == called


@pytest.mark.parametrize(
    ("user", "kind", "why"),
    [
        ("bob", {"ntfy": ntfy()}, recipients.NO_DESTINATION),
        (
            "ada",
            {"email": destinations.EmailSettings(address="ada@example.org")},
            recipients.UNVERIFIED,
        ),
    ],
)
async def test_what_is_another_member_s_or_is_not_verified_takes_nothing(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    user: str,
    kind: dict[str, Any],
    why: str,
) -> None:
    await create(rota, destination_id="place", user=user, personal=True, **kind)
    [made] = await ran(rota, clock, PLACE)
    await send(worker_of(rota, clock))
    found = await get(rota, made.name)
    assert (found.state, found.error) == (dp.Delivery.FAILED, why)


async def test_what_a_personal_destination_answers_is_for_those_who_may_see_it(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    async with receivers("ntfy") as phone:
        place = ntfy(server=phone.url)
        await create(rota, destination_id="place", personal=True, ntfy=place)
        shared = (await create(rota, destination_id="shared", ntfy=place)).name
        names = [one.name for one in await ran(rota, clock, PLACE, shared)]
        phone.fail_next(503)
        phone.fail_next(503)
        await send(worker_of(rota, clock))

    async def told(user: str) -> dict[str, tuple[Any, ...]]:
        token = rota.keys.user_token(user, {"w": "owner" if user == "ada" else "viewer"})
        headers = [("authorization", f"Bearer {token}")]
        found = {}
        for name in names:
            one = await stub(rota).GetDelivery(dp.GetDeliveryRequest(name=name), metadata=headers)
            [attempt] = one.attempts
            parent = f"{name.partition('/runs/')[0]}/runs/-"
            request = dp.ListDeliveriesRequest(
                parent=parent, filter=f"destination = {one.destination}"
            )
            [row] = (await stub(rota).ListDeliveries(request, metadata=headers)).deliveries
            said = {(each.error, each.status_code) for each in (one, attempt, row)}
            assert (len(said), one.state) == (1, dp.Delivery.RETRYING)
            found[one.destination] = said.pop()
        return found

    said = ("ntfy answered 503", 503)
    assert await told("ada") == {PLACE: said, shared: said}
    assert await told("bob") == {PLACE: (HIDDEN, 0), shared: said}
    await delete(rota, PLACE)
    assert (await told("bob"))[PLACE] == (HIDDEN, 0)


async def test_a_key_that_is_missing_may_come_back(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    await create(rota, destination_id="place")
    [made] = await ran(rota, clock, PLACE)
    await send(worker_of(rota, clock, secrets=DestinationSecrets(box=None)))
    found = await get(rota, made.name)
    assert (found.state, found.error) == (dp.Delivery.RETRYING, recipients.NO_KEY)


@pytest.mark.parametrize(
    ("loss", "source", "is_sent"),
    [
        ("revoked_time = now()", "result", False),
        ("role = 'viewer'", "result", False),
        ("revoked_time = now()", "run_failed", False),
        ("role = 'viewer'", "run_failed", True),
    ],
)
async def test_a_destination_takes_it_only_while_its_user_may_deliver(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    loss: str,
    source: str,
    is_sent: bool,
) -> None:
    async with receivers("ntfy") as phone:
        await create(rota, destination_id="place", ntfy=phone_topic(phone))
        await ran(rota, clock, PLACE)
        phone.fail_next(503)
        worker = worker_of(rota, clock)
        await send(worker)
        await execute(rota.url, "update deliveries set source = $1", source)
        await execute(rota.url, f"update memberships set {loss} where user_id = 'ada'")
        called = len(phone.calls)
        clock.set(clock.now() + timedelta(minutes=1))
        await send(worker)
        [found] = await execute(rota.url, "select state, error from deliveries")
        expected = ("sent", "") if is_sent else ("failed", recipients.NO_USER)
        assert (found["state"], found["error"]) == expected
        assert len(phone.calls) == called + is_sent


async def test_one_that_has_the_name_of_a_removed_destination_gets_nothing_older(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    async with receivers("ntfy") as phone:
        await create(rota, destination_id="place", ntfy=ntfy())
        [made] = await ran(rota, clock, PLACE)
        clock.set(clock.now() + timedelta(minutes=1))
        await delete(rota, PLACE)
        await execute(rota.url, "delete from destination_names")
        await create(rota, destination_id="place", user="bob", ntfy=phone_topic(phone))
        await send(worker_of(rota, clock))
        found = await get(rota, made.name)
        assert (found.state, found.error) == (dp.Delivery.FAILED, recipients.REMOVED)
        request = dp.RetryDeliveryRequest(name=made.name)
        again = stub(rota).RetryDelivery(request, metadata=rota.keys.user_headers())
        refused = await refusal(again)
        assert (refused.code, refused.reason) == (errors.Code.FAILED_PRECONDITION, "STATE_CONFLICT")
        await enable(rota, PLACE, send_missed=True, user="bob")
        await send(worker_of(rota, clock))
        assert phone.calls == []


def phone_topic(phone: ServiceReceiver) -> destinations.NtfySettings:
    return ntfy(server=phone.url, topic="rota_topic", access_token="tk_secret")
