"""Deliveries are sent at least once, each under its id, whoever dies and whatever answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from rota.automation.v1 import delivery_pb2 as dp
from rota.automation.v1 import delivery_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.channels.answer import FAULT
from automation_service.deliveries import worker as workers
from automation_service.deliveries.worker import AttemptAnswer, DeliveryWorker
from automation_service.outbox_worker import LEASE, RETRY_DELAYS
from automation_service.persistence.outbox.deliveries import Delivery
from shared.clock import ManualClock
from tests.automation_service.runs.steps.test_deliveries import tell
from tests.automation_service.runs.test_executor import FIRST, plan, step
from tests.support.calls.destinations import AnyDestination
from tests.support.calls.webhooks import SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.servers.receiver import Receiver
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, execute, running, schedule

SLACK, TEAMS = "workspaces/w/destinations/slack", "workspaces/w/destinations/teams"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    status_code: int
    error: str
    retry_after: timedelta = timedelta(0)
    is_permanent: bool = False
    is_gone: bool = False


@dataclass(slots=True)
class Posting:
    """Sends each delivery to an endpoint by HTTP; it finds itself."""

    url: str
    ended: list[tuple[str, str]] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    fault: Exception | None = None

    async def find(self, delivery: Delivery) -> "Posting":
        return self

    async def send(self, delivery: Delivery) -> AttemptAnswer:
        self.began.append(delivery.destination)
        if (gate := self.held.get(delivery.destination)) is not None:
            await gate.wait()
        if self.fault is not None:
            raise self.fault
        async with httpx2.AsyncClient(trust_env=False) as client:
            headers = {"webhook-id": str(delivery.id)}
            code = (await client.post(self.url, content=delivery.body, headers=headers)).status_code
        error = "" if code < 300 else f"it answered {code}"
        return Answered(status_code=code, error=error, is_permanent=code == 404)

    async def record(
        self,
        connection: AsyncConnection,
        tried: Delivery,
        answer: AttemptAnswer,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        if ends:
            self.ended.append((tried.destination, answer.error))
        return True


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """A service that leaves its deliveries to the test's workers."""

    async def wait(self: DeliveryWorker, stop: asyncio.Event) -> None:
        await stop.wait()

    monkeypatch.setattr(DeliveryWorker, "run", wait)
    async with running(
        url, keys, clock=clock, agent=agent, directory=AnyDestination(), **SETTINGS
    ) as service:
        yield service


@pytest.fixture
async def posting(endpoint: Receiver) -> Posting:
    return Posting(endpoint.url)


@pytest.fixture
async def worker(
    db: AsyncEngine, clock: ManualClock, posting: Posting
) -> AsyncIterator[DeliveryWorker]:
    made = DeliveryWorker(db=db, clock=clock, recipients=posting)
    yield made
    await made.wait_until_idle(cancel=True)


async def ran(rota: Running, clock: ManualClock, *to: str, **config: Any) -> list[dp.Delivery]:
    """The deliveries of a run, the only one."""
    said = plan(step("news"), tell(*to, **config))
    once = {"at": f"{FIRST:%Y-%m-%dT%H:%M}", "timezone": "UTC"}
    said["definition"]["triggers"] = [{**schedule(), "config": once}]
    name = (await rota.create(said)).name
    clock.set(FIRST)
    [run] = await rota.ended(name)
    return list(await listed(rota, run.name))


def stub(rota: Running) -> Any:
    return delivery_pb2_grpc.DeliveryServiceStub(rota.channel)


async def listed(rota: Running, parent: str, filter_: str = "") -> Sequence[dp.Delivery]:
    request = dp.ListDeliveriesRequest(parent=parent, filter=filter_)
    found: Sequence[dp.Delivery] = (
        await stub(rota).ListDeliveries(request, metadata=rota.keys.user_headers())
    ).deliveries
    return found


async def get(rota: Running, name: str) -> dp.Delivery:
    request = dp.GetDeliveryRequest(name=name)
    found: dp.Delivery = await stub(rota).GetDelivery(request, metadata=rota.keys.user_headers())
    return found


async def send(worker: DeliveryWorker) -> int:
    count = await worker.send_due()
    await worker.wait_until_idle()
    return count


async def test_a_delivery_that_is_not_taken_comes_again_under_its_id_for_about_a_day(
    rota: Running,
    clock: ManualClock,
    endpoint: Receiver,
    worker: DeliveryWorker,
    posting: Posting,
) -> None:
    [made] = await ran(rota, clock, SLACK, only="changed")
    assert (made.state, made.destination) == (dp.Delivery.PENDING, SLACK)
    endpoint.always(500)
    began = clock.now()
    most = len(RETRY_DELAYS) + 1
    for _ in range(most):
        assert await send(worker) == 1
        found = await get(rota, made.name)
        if found.HasField("next_attempt_time"):
            assert found.state == dp.Delivery.RETRYING
            clock.set(found.next_attempt_time.ToDatetime(began.tzinfo))
    assert (found.state, found.error) == (dp.Delivery.FAILED, "it answered 500")
    assert found.attempt_count == most
    assert [one.attempt for one in found.attempts] == list(range(1, most + 1))
    assert {(one.status_code, one.error) for one in found.attempts} == {(500, "it answered 500")}
    assert timedelta(hours=22) < clock.now() - began < timedelta(hours=28)
    assert {one.id for one in endpoint.received} == {made.name.rpartition("/")[2]}
    assert posting.ended == [(SLACK, "it answered 500")]
    # It is not what the destination had last.
    assert await execute(rota.url, "select * from delivery_digests") == []
    endpoint.always(204)
    request = dp.RetryDeliveryRequest(name=made.name)
    again = await stub(rota).RetryDelivery(request, metadata=rota.keys.user_headers())
    assert (again.state, again.error) == (dp.Delivery.PENDING, "")
    assert await send(worker) == 1
    found = await get(rota, made.name)
    assert (found.state, found.status_code) == (dp.Delivery.SENT, 204)
    assert len(await execute(rota.url, "select * from delivery_digests")) == 1
    assert {one.id for one in endpoint.received} == {made.name.rpartition("/")[2]}


async def test_an_attempt_that_is_cut_off_is_made_again_after_its_lease(
    rota: Running,
    clock: ManualClock,
    endpoint: Receiver,
    db: AsyncEngine,
    worker: DeliveryWorker,
    posting: Posting,
) -> None:
    [made] = await ran(rota, clock, SLACK)
    posting.held[SLACK] = asyncio.Event()
    dead = DeliveryWorker(db=db, clock=clock, recipients=posting)
    assert await dead.send_due() == 1
    await dead.wait_until_idle(cancel=True)
    del posting.held[SLACK]
    assert await send(worker) == 0
    clock.set(clock.now() + LEASE)
    assert await send(worker) == 1
    found = await get(rota, made.name)
    assert (found.state, found.attempt_count) == (dp.Delivery.SENT, 2)
    assert [one.HasField("duration") for one in found.attempts] == [False, True]
    assert len(endpoint.received) == 1


@pytest.mark.parametrize("fault", [ValueError("code"), OSError("receiver")])
async def test_an_unexpected_error_is_an_attempt_and_the_tries_end(
    rota: Running,
    clock: ManualClock,
    worker: DeliveryWorker,
    posting: Posting,
    fault: Exception,
) -> None:
    [made] = await ran(rota, clock, SLACK)
    posting.fault = fault
    for _ in range(len(RETRY_DELAYS) + 1):
        assert await send(worker) == 1
        found = await get(rota, made.name)
        if found.HasField("next_attempt_time"):
            clock.set(found.next_attempt_time.ToDatetime(clock.now().tzinfo))
    assert (found.state, found.error) == (dp.Delivery.FAILED, FAULT)
    assert {one.error for one in found.attempts} == {FAULT}
    clock.set(clock.now() + LEASE)
    assert await send(worker) == 0


async def test_what_is_refused_for_good_is_not_tried_again(
    rota: Running, clock: ManualClock, endpoint: Receiver, worker: DeliveryWorker
) -> None:
    [made] = await ran(rota, clock, SLACK)
    endpoint.always(404)
    assert await send(worker) == 1
    assert (await get(rota, made.name)).state == dp.Delivery.FAILED
    clock.set(clock.now() + timedelta(days=2))
    assert await send(worker) == 0
    parent = made.name.partition("/runs/")[0] + "/runs/-"
    assert [d.name for d in await listed(rota, parent, f"destination = {SLACK}")] == [made.name]
    assert not await listed(rota, parent, "state = SENT")


async def test_of_what_waits_for_a_destination_beyond_a_number_the_oldest_ends(
    rota: Running,
    clock: ManualClock,
    endpoint: Receiver,
    worker: DeliveryWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "MAX_WAITING", 2)
    name = (await rota.create(plan(step("news"), tell(SLACK, TEAMS)))).name
    endpoint.always(500)
    for count in range(1, 4):
        clock.set(FIRST + (count - 1) * MINUTE)
        await rota.ended(name, count)
        if count == 1:
            await send(worker)
    await worker.end_surplus()
    parent = f"{name}/runs/-"
    for place in (SLACK, TEAMS):
        *newer, oldest = await listed(rota, parent, f"destination = {place}")
        assert [one.state for one in newer] == [dp.Delivery.PENDING] * 2
        assert (oldest.state, oldest.error) == (dp.Delivery.FAILED, workers.TOO_MANY)
    [tried] = (await get(rota, oldest.name)).attempts
    assert (tried.status_code, tried.error) == (500, "it answered 500")


async def test_a_destination_that_hangs_delays_no_other(
    rota: Running, clock: ManualClock, worker: DeliveryWorker, posting: Posting
) -> None:
    posting.held[SLACK] = asyncio.Event()
    name = (await rota.create(plan(step("news"), tell(SLACK, TEAMS)))).name
    for count in range(1, 5):
        clock.set(FIRST + (count - 1) * MINUTE)
        await rota.ended(name, count)
    assert await worker.send_due() == 4  # two of each
    await asyncio.sleep(0)
    for _ in range(40):
        await worker.send_due()
        await asyncio.sleep(0.02)
    assert (posting.began.count(SLACK), posting.began.count(TEAMS)) == (2, 4)
    posting.held[SLACK].set()
    for _ in range(3):
        await send(worker)
    assert len(posting.ended) == 8


async def test_what_waits_for_the_longest_is_claimed_first_in_each_workspace_and_of_all(
    url: str, db: AsyncEngine, clock: ManualClock, posting: Posting
) -> None:
    # 25 workspaces with five destinations each; the last in the alphabet wait for the longest.
    await execute(
        url,
        "insert into workspaces (id, create_time)"
        " select 'w' || lpad(n::text, 2, '0'), now() from generate_series(1, 25) n",
    )
    await execute(
        url,
        "insert into deliveries (id, workspace_id, automation, step_id, destination, subject, body,"
        " format, condition, content_digest, state, create_time, next_attempt_time)"
        " select gen_random_uuid(), id, '', '', 'd' || n, '', '', 'text', 'always', '', 'pending',"
        " $1::timestamptz, $1::timestamptz - n * interval '1 hour'"
        " - substr(id, 2)::int * interval '1 second'"
        " from workspaces, generate_series(1, 5) n where id like 'w__'",
        clock.now(),
    )
    worker = DeliveryWorker(db=db, clock=clock, recipients=posting)
    async with db.begin() as connection:
        claimed = await worker.claim(connection, clock.now(), lanes=20, busy=())
        assert {(one.workspace, one.destination) for one in claimed} == {
            (f"w{n:02}", "d5") for n in range(6, 26)
        }
        busy = [worker.find_lane(one) for one in claimed]
        claimed = await worker.claim(connection, clock.now(), lanes=20, busy=busy)
        # Those that had none come before a second one of any.
        assert [(one.workspace, one.destination) for one in claimed if one.workspace < "w06"] == [
            (f"w{n:02}", "d5") for n in range(1, 6)
        ]
        assert {one.destination for one in claimed if one.workspace >= "w06"} == {"d4"}
        assert len(claimed) == 20
