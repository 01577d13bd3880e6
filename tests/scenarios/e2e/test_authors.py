"""For whom a run acts: the author of its revision, with no other person's model."""

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as pb
from rota.chat.v1 import chat_pb2

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.rpc import status
from shared.rpc.messages import struct
from tests.chat_service.own_models import config
from tests.scenarios.e2e.test_road import ASKED, SLOT
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import NEWS, message
from tests.support.system.chat import START, approval_of, approve, asking, edit, until
from tests.support.system.pair import Pair, pair

KEYS = {"ada": "sk-ada-5f0c9a", "bob": "sk-bob-77e1d2"}
MODEL = "automation.definition.plan[0].config.model"
Metadata = list[tuple[str, str]]


@pytest.fixture
async def adas() -> AsyncIterator[DemoServer]:
    async with demo_server(api_key=KEYS["ada"]) as server:
        yield server


@pytest.fixture
async def bobs() -> AsyncIterator[DemoServer]:
    async with demo_server(api_key=KEYS["bob"]) as server:
        yield server


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    async with pair(both_databases, keys, demo.base_url, clock, local_models=True) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def shared_pair(
    shared_databases: ServiceDatabases, keys: Keys, demo_model: DemoServer
) -> AsyncIterator[Pair]:
    url, clock = demo_model.base_url, ManualClock(START)
    more: dict[str, Any] = {"local_models": True, "roles": "api"}
    async with pair(shared_databases, keys, url, clock, **more) as running:
        yield running


@pytest.fixture
def bob(keys: Keys) -> Metadata:
    return keys.user_headers("bob", workspaces={"w": "editor"})


@pytest.fixture
def shared_bob(shared_road: Pair, keys: Keys) -> Metadata:
    return keys.user_headers("bob", workspaces={shared_road.workspace_id: "editor"})


async def own(road: Pair, at: DemoServer, user: str, metadata: Metadata) -> str:
    """The name of a new model of a person's own."""
    request = chat_pb2.CreateModelConfigRequest(
        parent=road.workspace, model_config=config(at, api_key=KEYS[user])
    )
    made = await road.chat.stub.CreateModelConfig(request, metadata=metadata)
    return str(made.name)


def naming(model: str, *, on_failure: bool = False, **definition: Any) -> dict[str, Any]:
    said = copy.deepcopy(NEWS)
    said["definition"].update(definition)
    step = said["definition"]["plan"][0]
    if on_failure:
        undo = {"step_id": "undo", "action": "agent_task", "config": {"prompt": "x"}}
        said["definition"]["execution"] = {"on_failure": [undo]}
        step = undo
    step["config"] = {"prompt": "Say hello.", **({"model": model} if model else {})}
    return said


async def create(road: Pair, said: dict[str, Any], metadata: Metadata, **fields: Any) -> Any:
    request = pb.CreateAutomationRequest(parent=road.workspace, automation=message(said), **fields)
    return await road.automations.CreateAutomation(request, metadata=metadata)


async def revisions(road: Pair, automation: str) -> list[Any]:
    request = pb.ListRevisionsRequest(parent=automation)
    return list((await road.automations.ListRevisions(request, metadata=road.metadata)).revisions)


async def run_at_nine(road: Pair, automation: str, metadata: Metadata | None = None) -> Any:
    road.clock.set(SLOT + timedelta(milliseconds=5))
    metadata = metadata or road.metadata
    runs: list[Any] = []

    async def ended() -> bool:
        found = await road.automations.ListRuns(
            pb.ListRunsRequest(parent=automation), metadata=metadata
        )
        runs[:] = [run for run in found.runs if run.HasField("end_time")]
        return bool(runs)

    await until(ended)
    return await road.automations.GetRun(pb.GetRunRequest(name=runs[0].name), metadata=metadata)


async def execute(road: Pair, statement: str) -> list[Any]:
    async with road.automation.db.begin() as connection:
        found = await connection.exec_driver_sql(statement)
        return list(found) if found.returns_rows else []


def update(name: str, model: str) -> tuple[str, Any]:
    said = message(naming(model, goal=f"Something else: {uuid4()}."))
    said.name = name
    paths = FieldMask(paths=["definition"])
    return "UpdateAutomation", pb.UpdateAutomationRequest(automation=said, update_mask=paths)


def rename(name: str, model: str) -> tuple[str, Any]:
    said = pb.Automation(name=name, display_name="Her news")
    paths = FieldMask(paths=["display_name"])
    return "UpdateAutomation", pb.UpdateAutomationRequest(automation=said, update_mask=paths)


def add_trigger(name: str, model: str) -> tuple[str, Any]:
    trigger = pb.Trigger(type="schedule")
    trigger.config.update({"cron": "0 5 * * *", "timezone": "UTC"})
    trigger.static_inputs.update({"topic": "trains"})
    return "CreateTrigger", pb.CreateTriggerRequest(parent=name, trigger=trigger)


def change_trigger(name: str, model: str) -> tuple[str, Any]:
    trigger = pb.Trigger(name=f"{name}/triggers/mornings")
    trigger.static_inputs.update({"topic": "planes"})
    return "UpdateTrigger", pb.UpdateTriggerRequest(trigger=trigger)


def remove_trigger(name: str, model: str) -> tuple[str, Any]:
    return "DeleteTrigger", pb.DeleteTriggerRequest(name=f"{name}/triggers/mornings")


def roll_back(name: str, model: str) -> tuple[str, Any]:
    return "RollbackAutomation", pb.RollbackAutomationRequest(name=name, revision=1)


def switch_off(name: str, model: str) -> tuple[str, Any]:
    trigger = pb.Trigger(name=f"{name}/triggers/mornings", enabled=False)
    paths = FieldMask(paths=["enabled"])
    return "UpdateTrigger", pb.UpdateTriggerRequest(trigger=trigger, update_mask=paths)


def describe(name: str, model: str) -> tuple[str, Any]:
    said = pb.Automation(name=name, description="Her news")
    paths = FieldMask(paths=["description"])
    return "UpdateAutomation", pb.UpdateAutomationRequest(automation=said, update_mask=paths)


def prompt(name: str, model: str) -> tuple[str, Any]:
    """The same model with another prompt."""
    rpc, request = update(name, model)
    config = request.automation.definition.plan[0].config
    config.update({"prompt": "Say something else."})
    return rpc, request


NEW_WORK = [prompt, add_trigger, change_trigger]
# What a run does stays what the author wrote.
SAME_WORK = [describe, rename, update, switch_off, roll_back, remove_trigger]


async def test_nobody_saves_another_persons_model_by_any_door(
    shared_road: Pair, adas: DemoServer, shared_bob: Metadata
) -> None:
    model = await own(shared_road, adas, "ada", shared_road.metadata)
    found = await create(shared_road, naming(model), shared_road.metadata)
    await shared_road.automations.UpdateAutomation(
        update(found.name, model)[1], metadata=shared_road.metadata
    )  # a second revision of hers, so that there is something to roll back
    for door in NEW_WORK:
        rpc, request = door(found.name, model)
        refused = await refusal(getattr(shared_road.automations, rpc)(request, metadata=shared_bob))
        assert refused.reason == "INVALID_REQUEST", rpc
        assert [v.field for v in refused.violations] == [MODEL], rpc
    for validate_only in (True, False):
        refused = await refusal(
            create(shared_road, naming(model), shared_bob, validate_only=validate_only)
        )
        assert [v.field for v in refused.violations] == [MODEL]
    refused = await refusal(create(shared_road, naming(model, on_failure=True), shared_bob))
    assert [v.field for v in refused.violations] == [
        "automation.definition.execution.on_failure[0].config.model"
    ]
    assert [r.author for r in await revisions(shared_road, found.name)] == [
        "users/ada",
        "users/ada",
    ]
    for door in NEW_WORK:  # and each is open to her
        rpc, request = door(found.name, model)
        await getattr(shared_road.automations, rpc)(request, metadata=shared_road.metadata)


async def test_what_adds_no_work_is_open_to_editors_and_keeps_the_author(
    shared_road: Pair, adas: DemoServer, shared_bob: Metadata
) -> None:
    model = await own(shared_road, adas, "ada", shared_road.metadata)
    found = await create(shared_road, naming(model), shared_road.metadata)
    for door in SAME_WORK:
        rpc, request = door(found.name, model)
        await getattr(shared_road.automations, rpc)(request, metadata=shared_bob)
    saved = await revisions(shared_road, found.name)
    assert len(saved) == len(SAME_WORK)  # a description makes none
    assert {revision.author for revision in saved} == {"users/ada"}


async def test_nobody_rolls_back_to_a_model_that_its_owner_took_out(
    shared_road: Pair, adas: DemoServer, shared_bob: Metadata
) -> None:
    model = await own(shared_road, adas, "ada", shared_road.metadata)
    found = await create(shared_road, naming(model), shared_road.metadata)
    await shared_road.automations.UpdateAutomation(
        update(found.name, "")[1], metadata=shared_road.metadata
    )
    refused = await refusal(
        shared_road.automations.RollbackAutomation(
            roll_back(found.name, "")[1], metadata=shared_bob
        )
    )
    assert [v.field for v in refused.violations] == [MODEL]
    await shared_road.automations.UpdateAutomation(prompt(found.name, "")[1], metadata=shared_bob)
    assert (await revisions(shared_road, found.name))[0].author == "users/bob"


async def test_another_persons_model_is_answered_as_one_that_does_not_exist(
    shared_road: Pair, adas: DemoServer, shared_bob: Metadata
) -> None:
    model = await own(shared_road, adas, "ada", shared_road.metadata)
    answers = []
    for name in (
        model,
        f"{shared_road.workspace}/modelConfigs/999999",
        "workspaces/v/modelConfigs/1",
    ):
        refused = await refusal(create(shared_road, naming(name), shared_bob))
        answers.append((refused.code, refused.reason, refused.message, refused.metadata))
    assert len(set(map(str, answers))) == 1


async def test_a_model_that_is_named_at_run_time_is_called_for_its_owner_only(
    road: Pair, adas: DemoServer, bob: Metadata
) -> None:
    model = await own(road, adas, "ada", road.metadata)
    said = naming("{{ inputs.topic }}")
    said["definition"]["triggers"][0]["static_inputs"] = {"topic": model}
    run = await run_at_nine(road, (await create(road, said, bob)).name)
    assert run.state == pb.Run.FAILED
    assert status.from_status(run.error).reason == "MODEL_GONE"
    assert adas.controls.log() == []


async def test_who_edits_a_card_acts_and_names_only_own_models(
    road: Pair, adas: DemoServer, bobs: DemoServer, bob: Metadata
) -> None:
    hers = await own(road, adas, "ada", road.metadata)
    his = await own(road, bobs, "bob", bob)
    approval = approval_of(await road.chat.send(ASKED))
    payload = struct.to_json(approval.payload)

    def deciding(model: str) -> Any:
        payload["definition"]["plan"][0]["config"]["model"] = model
        decision = edit(approval, payload)
        return road.chat.stub.DecideApproval(
            chat_pb2.DecideApprovalRequest(decision=decision, request_id=str(uuid4())),
            metadata=bob,
        )

    refused = await refusal(deciding(hers))
    assert [v.field for v in refused.violations] == [
        "decision.edit.payload.definition.plan[0].config.model"
    ]
    decided = await deciding(his)
    [saved] = await saved_automations(road)
    assert saved.creator == "users/ada"
    [revision] = await revisions(road, saved.name)
    assert revision.author == "users/bob"
    assert revision.decision == pb.Revision.Decision(
        approval=approval.name,
        requester="users/ada",
        approver="users/bob",
        payload_digest=approval.payload_digest,
        edited=True,
        decide_time=decided.decide_time,
    )
    run = await run_at_nine(road, saved.name)
    assert run.state == pb.Run.SUCCEEDED
    assert bobs.controls.log("task")
    assert adas.controls.log() == []


async def saved_automations(road: Pair) -> list[Any]:
    request = pb.ListAutomationsRequest(parent=road.workspace)
    found: list[Any] = []

    async def listed() -> bool:
        answer = await road.automations.ListAutomations(request, metadata=road.metadata)
        found[:] = answer.automations
        return bool(found)

    await until(listed)
    return found


async def test_what_is_approved_as_shown_acts_for_who_asked_and_stays_known(
    road: Pair, keys: Keys, bob: Metadata
) -> None:
    """The evidence stays when everything that it came of is deleted."""
    events = [e async for e in road.chat.stub.SendMessage(asking(ASKED), metadata=bob)]
    approval = approval_of(events)
    request = chat_pb2.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
    await road.chat.stub.DecideApproval(request, metadata=road.metadata)
    [saved] = await saved_automations(road)
    await road.chat.watch(approval.turn, events[-1].sequence)
    thread = approval.turn.partition("/turns/")[0]
    delete = chat_pb2.DeleteThreadRequest(name=thread)
    eve = keys.user_headers("eve", workspaces={"w": "editor"})
    refused = await refusal(road.chat.stub.DeleteThread(delete, metadata=eve))
    assert (refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        {"role": "editor", "needs": "owner"},
    )
    await road.chat.stub.DeleteThread(delete, metadata=road.metadata)
    gone = chat_pb2.GetApprovalRequest(name=approval.name)
    refused = await refusal(road.chat.stub.GetApproval(gone, metadata=road.metadata))
    assert refused.reason == "RESOURCE_NOT_FOUND"

    [revision] = await revisions(road, saved.name)
    assert (saved.creator, revision.author) == ("users/bob", "users/bob")
    decision = revision.decision
    assert (decision.requester, decision.approver, decision.edited) == (
        "users/bob",
        "users/ada",
        False,
    )
    assert (decision.approval, decision.payload_digest) == (approval.name, approval.payload_digest)
    delete_it = pb.DeleteAutomationRequest(name=saved.name)
    await road.automations.DeleteAutomation(delete_it, metadata=road.metadata)
    audited = await execute(
        road, "select action, actor, decision from audit_events order by create_time, action"
    )
    assert [(action, actor, bool(d)) for action, actor, d in audited] == [
        ("CreateAutomation", "bob", True),
        ("DeleteAutomation", "ada", False),
    ]
    assert "ada" in str(audited[0][2])


async def test_a_run_acts_for_the_author_of_its_own_revision(
    road: Pair, bob: Metadata, keys: Keys
) -> None:
    found = await create(road, naming("", goal="Hers."), road.metadata)
    request = update(found.name, "")[1]
    await road.automations.UpdateAutomation(request, metadata=bob)
    await execute(road, "update memberships set revoked_time = now() where user_id = 'ada'")
    eve = keys.user_headers("eve", workspaces={"w": "viewer"})
    run = await run_at_nine(road, found.name, eve)
    assert (run.state, run.revision) == (pb.Run.SUCCEEDED, 2)


@pytest.mark.parametrize(
    ("loss", "metadata"),
    [
        ("update memberships set revoked_time = now() where user_id = 'bob'", {"user": "bob"}),
        ("update memberships set role = 'viewer' where user_id = 'bob'", None),
        ("delete from users where id = 'bob'", {"user": ""}),
    ],
)
async def test_a_run_whose_author_lost_access_fails(
    road: Pair, bob: Metadata, loss: str, metadata: dict[str, str] | None
) -> None:
    found = await create(road, naming("", goal="Hers."), road.metadata)
    await road.automations.UpdateAutomation(update(found.name, "")[1], metadata=bob)
    await execute(road, loss)
    run = await run_at_nine(road, found.name)
    error = status.from_status(run.error)
    assert (run.state, error.reason) == (pb.Run.FAILED, "CREATOR_ACCESS_LOST")
    assert error.metadata == (metadata or {"user": "bob", "role": "viewer"})
