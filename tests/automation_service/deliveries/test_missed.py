"""Whoever enables a destination chooses whether it gets what it missed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from rota.automation.v1 import delivery_pb2 as dp

from automation_service.deliveries.recipients import Recipients
from automation_service.persistence.outbox import deliveries
from automation_service.persistence.outbox.deliveries import Delivery
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.automation_service.deliveries.test_recipients import PLACE, worker_of
from tests.automation_service.deliveries.test_worker import (  # noqa: F401
    listed,
    rota,
    send,
    stub,
)
from tests.automation_service.runs.steps.test_deliveries import again, tell
from tests.automation_service.runs.test_executor import plan, step
from tests.support.calls.destinations import State, create, enable, get, ntfy, update
from tests.support.servers.receivers import ServiceReceiver, receivers
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute

FAILED, SENT, UNCHANGED = dp.Delivery.FAILED, dp.Delivery.SENT, dp.Delivery.UNCHANGED


@pytest.fixture
async def phone() -> AsyncIterator[ServiceReceiver]:
    async with receivers("ntfy") as made:
        yield made


async def deliver(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
    *outputs: str,
    dead_at: int,
    only: str = "always",
) -> str:
    """Runs an automation once for each output; the destination is gone from `dead_at` on."""
    await create(rota, destination_id="place", ntfy=at(phone))
    name: str = (await rota.create(plan(step("news"), tell(PLACE, only=only)))).name
    worker = worker_of(rota, clock)
    for count in range(1, len(outputs) + 1):
        if count == dead_at:
            phone.fail_next(410)
        await again(rota, clock, name, count)
        await send(worker)
    assert (await get(rota, PLACE)).state == State.PAUSED
    return name


def speaking(agent: FakeAgent, *outputs: str) -> None:
    left = list(outputs)

    async def act(request: AgentTask) -> AgentResult:
        return answer(left.pop(0))

    agent.act = act


async def states(rota: Running, name: str) -> list[int]:  # noqa: F811
    """Oldest first."""
    found = await listed(rota, f"{name}/runs/-")
    return [one.state for one in reversed(found)]


async def test_it_gets_what_failed_since_it_last_took_a_result(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "MAX_MISSED", 2)
    name = await deliver(rota, clock, phone, *["did: do it"] * 5, dead_at=3)
    assert await states(rota, name) == [SENT, SENT, FAILED, FAILED, FAILED]
    # An older failure than its last success is none that it missed.
    oldest = "select id from deliveries order by create_time limit 1"
    await execute(rota.url, f"update deliveries set state = 'failed' where id = ({oldest})")
    await enable(rota, PLACE)
    worker = worker_of(rota, clock)
    assert await send(worker) == 0
    await enable(rota, PLACE, send_missed=True)
    while await send(worker):
        pass
    assert await states(rota, name) == [FAILED, SENT, FAILED, SENT, SENT]
    keys = [one.name.rpartition("/")[2] for one in reversed(await listed(rota, f"{name}/runs/-"))]
    assert {one.key for one in phone.accepted} == {keys[0], keys[1], keys[3], keys[4]}


async def test_a_notice_that_it_took_hides_no_result_that_it_missed(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
) -> None:
    name = await deliver(rota, clock, phone, *["did: do it"] * 3, dead_at=2)
    newest = "select id from deliveries order by create_time desc limit 1"
    notice = "source = 'run.failed', state = 'sent'"
    await execute(rota.url, f"update deliveries set {notice} where id = ({newest})")
    await enable(rota, PLACE, send_missed=True)
    assert await send(worker_of(rota, clock)) == 1
    assert await states(rota, name) == [SENT, SENT]


async def test_of_what_changed_each_text_comes_once_and_the_last_is_what_it_had(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: FakeAgent,
    phone: ServiceReceiver,
) -> None:
    said = ["one", "two", "two", "three"]
    speaking(agent, *said, "three")
    name = await deliver(rota, clock, phone, *said, dead_at=2, only="changed")
    await enable(rota, PLACE, send_missed=True)
    worker = worker_of(rota, clock)
    while await send(worker):
        pass
    told = sorted(one.text.splitlines()[0] for one in phone.accepted)
    assert told == ["one", "three", "two"]
    await again(rota, clock, name, 5)
    assert await states(rota, name) == [SENT, SENT, FAILED, SENT, UNCHANGED]


async def test_of_what_changed_an_older_retry_does_not_come_after_a_newer_result(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: FakeAgent,
    phone: ServiceReceiver,
) -> None:
    speaking(agent, "green", "red", "red", "red")
    await create(rota, destination_id="place", ntfy=at(phone))
    name = (await rota.create(plan(step("news"), tell(PLACE, only="changed")))).name
    worker = worker_of(rota, clock)
    phone.fail_next(503)
    await again(rota, clock, name, 1)
    await send(worker)
    # As after further attempts.
    later = "next_attempt_time = next_attempt_time + interval '5 min'"
    await execute(rota.url, f"update deliveries set {later}")
    await again(rota, clock, name, 2)
    await send(worker)
    assert await states(rota, name) == [FAILED, SENT]
    green = (await listed(rota, f"{name}/runs/-"))[-1]
    assert green.error == deliveries.SUPERSEDED
    await enable(rota, PLACE, send_missed=True)
    assert await send(worker) == 0
    await again(rota, clock, name, 3)
    assert (await states(rota, name))[-1] == UNCHANGED
    # What a person sends again is what it has last.
    await retry(rota, green.name)
    await send(worker)
    await again(rota, clock, name, 4)
    await send(worker)
    assert await states(rota, name) == [SENT, SENT, UNCHANGED, SENT]
    assert [one.text.splitlines()[0] for one in phone.accepted] == ["red", "green", "red"]


async def test_of_what_changed_one_after_the_other_is_sent_the_oldest_first(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: FakeAgent,
    phone: ServiceReceiver,
) -> None:
    speaking(agent, "green", "red")
    await create(rota, destination_id="place", ntfy=at(phone))
    name = (await rota.create(plan(step("news"), tell(PLACE, only="changed")))).name
    for count in (1, 2):
        await again(rota, clock, name, count)
    worker = worker_of(rota, clock)
    assert await worker.send_due() == 1
    # Another process leaves the second alone while the first is tried.
    assert await worker_of(rota, clock).send_due() == 0
    await worker.wait_until_idle()
    assert await send(worker) == 1
    assert [one.text.splitlines()[0] for one in phone.accepted] == ["green", "red"]


async def test_what_failed_while_another_was_taken_is_missed(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
) -> None:
    name = await deliver(rota, clock, phone, *["did: do it"] * 2, dead_at=2)
    # The first was tried since before the second failed, and was taken after it.
    for statement in (
        "update deliveries set end_time = end_time + interval '5 min' where state = 'sent'",
        "update deliveries set end_time = end_time + interval '1 min' where state = 'failed'",
    ):
        await execute(rota.url, statement)
    await enable(rota, PLACE, send_missed=True)
    await send(worker_of(rota, clock))
    assert await states(rota, name) == [SENT, SENT]


@dataclass(slots=True)
class Late:
    """Recipients whose answers come after a change."""

    of: Recipients
    change: Callable[[], Awaitable[object]]
    found: Any = None

    async def find(self, delivery: Delivery) -> Any:
        self.found = await self.of.find(delivery)
        return self

    async def send(self, delivery: Delivery) -> Any:
        answered = await self.found.send(delivery)
        await self.change()
        return answered

    async def record(self, *given: Any, **said: Any) -> bool:
        recorded: bool = await self.found.record(*given, **said)
        return recorded


async def test_what_an_earlier_place_takes_late_the_new_one_has_not_had(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
) -> None:
    name = await deliver(rota, clock, phone, "did: do it", dead_at=1, only="changed")
    await enable(rota, PLACE, send_missed=True)
    async with receivers("ntfy") as other:
        worker = worker_of(rota, clock)
        of = cast(Recipients, worker.recipients)
        worker.recipients = Late(of, lambda: update(rota, PLACE, "ntfy", ntfy=at(other)))
        await send(worker)
        assert await states(rota, name) == [SENT]
        worker.recipients = of
        await again(rota, clock, name, 2)
        await send(worker)
        assert await states(rota, name) == [SENT, SENT]
        assert (len(phone.accepted), len(other.accepted)) == (1, 1)


async def test_what_an_earlier_place_takes_late_ends_nothing_that_waits_for_the_new_one(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: FakeAgent,
    phone: ServiceReceiver,
) -> None:
    speaking(agent, "green", "red")
    await create(rota, destination_id="place", ntfy=at(phone))
    name = (await rota.create(plan(step("news"), tell(PLACE, only="changed")))).name
    worker = worker_of(rota, clock)
    phone.fail_next(503)
    await again(rota, clock, name, 1)
    await send(worker)
    later = "next_attempt_time = next_attempt_time + interval '5 min'"
    await execute(rota.url, f"update deliveries set {later}")
    await again(rota, clock, name, 2)
    place = ntfy(server=phone.url, topic="another_topic", access_token="tk_secret")
    of = cast(Recipients, worker.recipients)
    worker.recipients = Late(of, lambda: update(rota, PLACE, "ntfy", ntfy=place))
    await send(worker)
    assert await states(rota, name) == [dp.Delivery.RETRYING, SENT]


async def test_of_what_changed_a_text_that_was_not_taken_changes_nothing(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    agent: FakeAgent,
    phone: ServiceReceiver,
) -> None:
    said = ["one", "two"]
    speaking(agent, *said, "one", "two")
    name = await deliver(rota, clock, phone, *said, dead_at=2, only="changed")
    await enable(rota, PLACE)
    worker = worker_of(rota, clock)
    for count in (3, 4):
        await again(rota, clock, name, count)
        await send(worker)
    assert await states(rota, name) == [SENT, FAILED, UNCHANGED, SENT]


async def test_of_what_changed_a_new_place_gets_the_first_result(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    phone: ServiceReceiver,
) -> None:
    place = at(phone)
    await create(rota, destination_id="place", ntfy=place)
    name: str = (await rota.create(plan(step("news"), tell(PLACE, only="changed")))).name
    worker = worker_of(rota, clock)

    async def run_again(count: int) -> int:
        await again(rota, clock, name, count)
        await send(worker)
        return (await states(rota, name))[-1]

    assert [await run_again(1), await run_again(2)] == [SENT, UNCHANGED]
    await update(rota, PLACE, "display_name", display_name="Telephone")
    await update(rota, PLACE, "ntfy", ntfy=place)
    assert await run_again(3) == UNCHANGED
    async with receivers("ntfy") as other:
        await update(rota, PLACE, "ntfy", ntfy=at(other))
        assert [await run_again(4), await run_again(5)] == [SENT, UNCHANGED]
        assert (len(phone.accepted), len(other.accepted)) == (1, 1)


async def retry(rota: Running, delivery: str) -> None:  # noqa: F811
    request = dp.RetryDeliveryRequest(name=delivery)
    await stub(rota).RetryDelivery(request, metadata=rota.keys.user_headers())


def at(phone: ServiceReceiver) -> Any:
    return ntfy(server=phone.url, topic="rota_topic", access_token="tk_secret")
