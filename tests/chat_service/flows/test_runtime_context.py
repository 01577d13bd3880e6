"""What the agent knows of the turn it works in: who asks, where, and in which zone."""

from datetime import datetime

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import runtime_context
from chat_service.runtime.ports import Mention, RuntimeContext
from chat_service.turns.segment import Segment
from devstack.demo_model import DemoServer
from shared.rpc.messages import struct
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import approval_of, approve, asking

SOMETIME = "every weekday at 9 summarise the news"


@pytest.mark.parametrize(
    ("asked", "of_token", "zone", "assumed"),
    [
        ("Asia/Tokyo", "Europe/Paris", "Asia/Tokyo", False),
        ("", "Europe/Paris", "Europe/Paris", False),
        ("", "Mars/Olympus", "UTC", True),
        ("", "", "UTC", True),
    ],
)
async def test_the_zone_is_the_one_that_was_named_first_and_stays_for_the_turn(
    serve: Serving,
    keys: Keys,
    demo: DemoServer,
    asked: str,
    of_token: str,
    zone: str,
    assumed: bool,
) -> None:
    chat = await serve(token=keys.user_token(zoneinfo=of_token))
    approval = approval_of(await chat.send(SOMETIME, time_zone=asked, locale="de-CH"))
    assert approval.preview.time_zone_assumed is assumed
    (trigger,) = struct.to_json(approval.payload)["definition"]["triggers"]
    assert trigger["config"]["timezone"] == zone

    await chat.resume(approval.turn, approve(approval))
    told = {seen.system for seen in demo.controls.log("chat")}
    assert len(demo.controls.log("chat")) > 1
    assert all(f"Person's time zone: {zone}\n" in system for system in told)
    assert all("Person's locale: de-CH" in system for system in told)
    assert all("Workspace: w" in system for system in told)


@pytest.mark.parametrize("zone", ["Europe", "Mars/Olympus", "../etc/localtime", "europe/paris"])
async def test_a_zone_that_is_none_is_refused_before_the_turn_exists(
    serve: Serving, demo: DemoServer, zone: str
) -> None:
    chat = await serve()
    refused = await refusal(chat.stream("hello", time_zone=zone))
    assert [v.field for v in refused.violations] == ["time_zone"]
    assert demo.controls.log() == []
    page = await chat.stub.ListThreads(
        pb.ListThreadsRequest(parent="workspaces/w"), metadata=chat.metadata
    )
    assert not page.threads


async def test_every_segment_knows_the_request_and_what_it_may_refer_to(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[RuntimeContext] = []
    build = runtime_context.build_context

    def record(segment: Segment, now: datetime) -> RuntimeContext:
        told.append(build(segment, now))
        return told[-1]

    monkeypatch.setattr(runtime_context, "build_context", record)
    chat = await serve()
    thread = pb.CreateThreadRequest(parent="workspaces/w", thread=pb.Thread(display_name="Mine"))
    mine = (await chat.stub.CreateThread(thread, metadata=chat.metadata)).name
    asked = asking(SOMETIME)
    for name in (mine, "workspaces/w/automations/unknown", mine):
        asked.message.parts.add(mention=pb.Mention(name=name, display_name="Not believed"))
    call = chat.stub.SendMessage(asked, metadata=chat.metadata)
    approval = approval_of([event async for event in call])
    first = len(told)
    await chat.resume(approval.turn, approve(approval))
    assert 0 < first < len(told)
    assert {each.request_id for each in told} == {asked.request_id}
    assert {each.mentions for each in told} == {(Mention(name=mine, title="Mine"),)}
