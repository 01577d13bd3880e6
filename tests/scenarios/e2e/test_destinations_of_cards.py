"""A card is saved if who decides it can deliver to each place that it names."""

import copy
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import destination_pb2 as dp
from rota.chat.v1 import chat_pb2

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared import errors
from shared.clock import ManualClock
from shared.rpc.messages import struct
from tests.scenarios.e2e.test_road import ASKED
from tests.support.calls.destinations import ntfy
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import KEY
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import NEWS, message
from tests.support.system.automation import until as until_found
from tests.support.system.chat import WORKSPACE, approval_of, edit
from tests.support.system.pair import Pair, pair

TO = "definition.plan[1].config.to"


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    options: dict[str, Any] = {"secret_keys": KEY, "local_destinations": True}
    async with pair(both_databases, keys, demo.base_url, clock, **options) as running:
        yield running


async def new_destination(road: Pair, **fields: Any) -> str:
    destination = dp.Destination(ntfy=ntfy(), **fields)
    request = dp.CreateDestinationRequest(parent=WORKSPACE, destination=destination)
    return str((await road.destinations.CreateDestination(request, metadata=road.metadata)).name)


async def new_thread(road: Pair) -> str:
    request = chat_pb2.CreateThreadRequest(parent=WORKSPACE)
    return str((await road.chat.stub.CreateThread(request, metadata=road.metadata)).name)


def telling(*to: str) -> dict[str, Any]:
    return {"step_id": "tell", "action": "deliver", "config": {"to": list(to)}}


def faults(field: str, *places: int) -> list[tuple[str, str]]:
    return [(f"{field}.{TO}[{place}]", "UNKNOWN_DESTINATION") for place in places]


def found_in(refused: errors.RotaError) -> list[tuple[str, str]]:
    assert (refused.code, refused.reason) == (errors.Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    return sorted((one.field, one.reason) for one in refused.violations)


async def test_an_edited_card_names_only_what_its_editor_can_deliver_to(
    road: Pair, keys: Keys
) -> None:
    hers = await new_destination(road, personal=True)
    shared = await new_destination(road)
    thread, gone = await new_thread(road), await new_thread(road)
    deleting = chat_pb2.DeleteThreadRequest(name=gone)
    await road.chat.stub.DeleteThread(deleting, metadata=road.metadata)
    approval = approval_of(await road.chat.send(ASKED))
    payload = struct.to_json(approval.payload)
    step = payload["definition"]["plan"][0]
    bob = keys.user_headers("bob", workspaces={"w": "editor"})

    def deciding(*to: str) -> Any:
        payload["definition"]["plan"] = [step, telling(*to)]
        request = chat_pb2.DecideApprovalRequest(
            decision=edit(approval, payload), request_id=str(uuid4())
        )
        return road.chat.stub.DecideApproval(request, metadata=bob)

    unknown = f"{WORKSPACE}/destinations/none"
    elsewhere = ["workspaces/v/threads/t", "workspaces/v/destinations/place"]
    for wrong in (gone, f"{WORKSPACE}/threads/x", hers, unknown, *elsewhere):
        refused = await refusal(deciding("inbox", wrong))
        assert found_in(refused) == faults("decision.edit.payload", 1), wrong
    assert await saved(road) == []
    await deciding(thread, shared)
    [listed] = await until_found(lambda: saved(road))
    request = pb.GetAutomationRequest(name=listed.name)
    found = await road.automations.GetAutomation(request, metadata=road.metadata)
    assert struct.to_json(found.definition.plan[1].config)["to"] == [thread, shared]


async def test_threads_and_destinations_are_checked_by_every_door(road: Pair) -> None:
    thread, shared = await new_thread(road), await new_destination(road)
    there, gone = f"{WORKSPACE}/threads/{uuid4()}", f"{WORKSPACE}/destinations/none"
    said = copy.deepcopy(NEWS)
    plan = said["definition"]["plan"][:1]
    said["definition"]["plan"] = [*plan, telling(thread, there, shared)]
    for validate_only in (True, False):
        refused = await refusal(create(road, said, validate_only=validate_only))
        assert found_in(refused) == faults("automation", 1)
    said["definition"]["plan"] = [*plan, telling(thread, gone)]
    assert found_in(await refusal(create(road, said))) == faults("automation", 1)
    said["definition"]["plan"] = [*plan, telling("inbox", thread, shared)]
    assert (await create(road, said)).name


def create(road: Pair, said: dict[str, Any], **fields: Any) -> Any:
    request = pb.CreateAutomationRequest(parent=WORKSPACE, automation=message(said), **fields)
    return road.automations.CreateAutomation(request, metadata=road.metadata)


async def saved(road: Pair) -> list[Any]:
    request = pb.ListAutomationsRequest(parent=WORKSPACE)
    answer = await road.automations.ListAutomations(request, metadata=road.metadata)
    return list(answer.automations)
