"""A run's result reaches every kind of destination, and a dead destination loses none."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import json_format
from rota.automation.v1 import delivery_pb2 as dp
from rota.automation.v1 import delivery_pb2_grpc, inbox_pb2, inbox_pb2_grpc
from rota.automation.v1 import destination_pb2 as destination_pb

from shared.clock import ManualClock
from tests.automation_service.runs.steps.test_deliveries import again, tell
from tests.automation_service.runs.test_executor import FIRST, plan, step
from tests.support.calls import destinations
from tests.support.calls.webhooks import SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.servers.receivers import KINDS, ServiceReceiver, receivers
from tests.support.servers.smtp_server import Mail, MailServer, smtp_server
from tests.support.system.automation import Running, execute, running, schedule, until

PAGE: Final = "https://rota.example.org"
MAILBOX: Final = "ada@example.org"
# Services that tell repeats by the delivery's id. A mail has it as its Message-ID.
KEYED: Final = ("matrix", "ntfy", "webhook")
CODE: Final = re.compile(r"\b[2-9A-HJ-NP-Z]{8}\b")
State = dp.Delivery


@dataclass(slots=True, kw_only=True)
class World:
    """A service with a destination of each kind, each named after its kind."""

    rota: Running
    clock: ManualClock
    services: Mapping[str, ServiceReceiver]
    mail: MailServer
    names: dict[str, str] = field(default_factory=dict)

    @property
    def mails(self) -> list[Mail]:
        """Without the one that had the code."""
        return self.mail.mails[1:]

    async def run_once(self) -> str:
        """The name of a run that delivers to all."""
        said = plan(step("news"), tell(*self.names.values()))
        at = {"at": f"{FIRST:%Y-%m-%dT%H:%M}", "timezone": "UTC"}
        said["definition"]["triggers"] = [{**schedule(), "config": at}]
        name = (await self.rota.create(said)).name
        self.clock.set(FIRST)
        [run] = await self.rota.ended(name)
        return str(run.name)

    async def deliveries(self, parent: str, state: int) -> dict[str, dp.Delivery]:
        """The deliveries of a run by kind, once all are so."""

        async def reached() -> dict[str, dp.Delivery] | None:
            found = await self.call("ListDeliveries", dp.ListDeliveriesRequest(parent=parent))
            if {one.state for one in found.deliveries} != {state}:
                return None
            return {one.destination.rpartition("/")[2]: one for one in found.deliveries}

        found: dict[str, dp.Delivery] = await until(reached)
        return found

    async def call(self, rpc: str, request: Any) -> Any:
        stub = delivery_pb2_grpc.DeliveryServiceStub(self.rota.channel)
        return await getattr(stub, rpc)(request, metadata=self.rota.keys.user_headers())

    async def notices(self) -> list[str]:
        """The destinations of whose pause ada's inbox tells."""
        stub = inbox_pb2_grpc.InboxServiceStub(self.rota.channel)
        request = inbox_pb2.ListInboxItemsRequest(
            parent="workspaces/w", filter="kind = DESTINATION_PAUSED"
        )
        found = await stub.ListInboxItems(request, metadata=self.rota.keys.user_headers())
        return sorted(one.destination for one in found.inbox_items)

    async def add(self, kind: str, **settings: Any) -> None:
        made = destination_pb.Destination(display_name=kind)
        json_format.ParseDict({kind: settings}, made)
        request = destination_pb.CreateDestinationRequest(
            parent="workspaces/w", destination=made, destination_id=kind
        )
        done = await destinations.call(self.rota, "CreateDestination", request)
        self.names[kind] = done.name

    async def verify_mailbox(self) -> None:
        request = destination_pb.TestDestinationRequest(name=self.names["email"], verify=True)
        await destinations.call(self.rota, "TestDestination", request)
        found = CODE.search(self.mail.mails[0].part("plain"))
        assert found is not None
        given = destination_pb.VerifyDestinationRequest(name=self.names["email"], code=found[0])
        await destinations.call(self.rota, "VerifyDestination", given)


@pytest.fixture
async def world(url: str, keys: Keys, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        services = {kind: await stack.enter_async_context(receivers(kind)) for kind in KINDS}
        mail = await stack.enter_async_context(smtp_server(tmp_path))
        smtp = {f"smtp_{name}": value for name, value in mail.settings.items()}
        settings = {**SETTINGS, **smtp, "smtp_ca_file": mail.trust_file, "page_url": PAGE}
        rota = await stack.enter_async_context(running(url, keys, clock=clock, **settings))
        made = World(rota=rota, clock=clock, services=services, mail=mail)
        await made.add("email", address=MAILBOX)
        await made.verify_mailbox()
        for kind, service in services.items():
            given = dict(service.settings)
            # The API names what a caller gives, and no other server of Pushover.
            server = given.pop("server") if kind == "pushover" else ""
            if kind == "webhook":
                [given["signing_secret"]] = given.pop("secrets")
            await made.add(kind, **given)
            if server:
                at = "update destinations set settings = settings || jsonb_build_object("
                await execute(url, f"{at}'server', $1::text) where kind = 'pushover'", server)
        yield made


async def test_a_result_arrives_once_at_every_kind_of_destination(world: World) -> None:
    run = await world.run_once()
    sent = await world.deliveries(run, State.SENT)
    assert sorted(sent) == sorted(["email", *KINDS])
    ids = {kind: one.name.rpartition("/")[2] for kind, one in sent.items()}
    for kind, service in world.services.items():
        assert len(service.calls) == 1, kind
        [message] = service.accepted
        assert "did: do it" in message.text, kind
        assert message.subject.startswith("Morning news"), kind
        assert any(f"{PAGE}/#/{run}" in one for one in (message.link, *message.links)), kind
        assert message.key == (ids[kind] if kind in KEYED else ""), kind
    [mail] = world.mails
    assert (mail.recipients, mail.key) == ([MAILBOX], f"<{ids['email']}@rota.example>")
    assert f"{PAGE}/#/{run}" in mail.part("plain")


async def test_what_is_refused_for_now_or_not_answered_comes_again_under_its_key(
    world: World,
) -> None:
    for service in world.services.values():
        service.fail_next(503)
    world.mail.data_refusals.append("451 4.3.0 try again later")
    run = await world.run_once()
    await world.deliveries(run, State.RETRYING)
    assert not world.mails
    for service in world.services.values():
        service.lose_next()
    world.mail.lost = 1
    world.clock.set(world.clock.now() + timedelta(minutes=1))

    async def all_lost() -> bool:
        found = [*(service.lost for service in world.services.values()), world.mail.lost]
        return not any(found)

    await until(all_lost)
    await world.deliveries(run, State.RETRYING)
    world.clock.set(world.clock.now() + timedelta(minutes=10))
    sent = await world.deliveries(run, State.SENT)
    assert {one.attempt_count for one in sent.values()} == {3}
    for kind, service in world.services.items():
        assert len(service.calls) == 3, kind
        # Who has no key for repeats shows what was lost on the way back, too.
        assert len(service.accepted) == (1 if kind in KEYED else 2), kind
        if kind in KEYED:
            assert service.keys == {sent[kind].name.rpartition("/")[2]}
    assert len(world.mails) == 2
    [key] = {mail.key for mail in world.mails}
    assert key == f"<{sent['email'].name.rpartition('/')[2]}@rota.example>"


async def test_a_dead_destination_pauses_its_owner_is_told_and_what_it_missed_is_sent_later(
    world: World,
) -> None:
    gone, refusing = world.services["webhook"], world.services["slack"]
    places = {kind: world.names[kind] for kind in ("webhook", "slack")}
    gone.fail_next(410)
    for _ in range(5):
        refusing.fail_next(400, b"invalid_payload")
    name = (await world.rota.create(plan(step("news"), tell(*places.values())))).name
    for count in range(1, 6):
        run = (await again(world.rota, world.clock, name, count))[-1]
        failed = await world.deliveries(run.name, State.FAILED)
    assert (len(gone.calls), len(refusing.calls)) == (1, 5)
    for place in places.values():
        found = await destinations.get(world.rota, place)
        assert found.state == destinations.State.PAUSED, found

    async def both_told() -> bool:
        return await world.notices() == sorted(places.values())

    await until(both_told)
    kept = failed["webhook"]
    request = dp.GetDeliveryRequest(name=kept.name)
    assert (await world.call("GetDelivery", request)).body == "did: do it"

    await destinations.enable(world.rota, places["webhook"])
    await world.call("RetryDelivery", dp.RetryDeliveryRequest(name=kept.name))

    async def is_sent() -> bool:
        return bool((await world.call("GetDelivery", request)).state == State.SENT)

    await until(is_sent)
    assert [one.key for one in gone.accepted] == [kept.name.rpartition("/")[2]]
    assert len(gone.calls) == 2
