"""The role of today: of calls, of what a service does for a member, and of runs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from rota.automation.v1 import automation_pb2 as pb
from rota.chat.v1 import chat_pb2

from tests.scenarios.e2e.test_road import ASKED, SLOT, approved
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import NEWS, message
from tests.support.system.chat import approval_of, approve, asking, until
from tests.support.system.pair import Pair

Metadata = list[tuple[str, str]]


def bob(road: Pair, keys: Keys, role: str, *, minutes_old: int) -> Metadata:
    issued = datetime.now(UTC) - timedelta(minutes=minutes_old)
    return keys.user_headers("bob", workspaces={road.workspace_id: role}, iat=issued)


def chats(road: Pair, metadata: Metadata) -> Any:
    return road.chat.stub.ListThreads(
        chat_pb2.ListThreadsRequest(parent=road.workspace), metadata=metadata
    )


def lists(road: Pair, metadata: Metadata) -> Any:
    request = pb.ListAutomationsRequest(parent=road.workspace)
    return road.automations.ListAutomations(request, metadata=metadata)


def sends(road: Pair, metadata: Metadata) -> Any:
    return road.chat.stub.SendMessage(road.chat.asking("say hello"), metadata=metadata)


def makes_a_thread(road: Pair, metadata: Metadata) -> Any:
    request = chat_pb2.CreateThreadRequest(parent=road.workspace)
    return road.chat.stub.CreateThread(request, metadata=metadata)


def creates(road: Pair, metadata: Metadata) -> Any:
    request = pb.CreateAutomationRequest(parent=road.workspace, automation=message(NEWS))
    return road.automations.CreateAutomation(request, metadata=metadata)


@pytest.mark.parametrize(
    ("looks", "acts"), [(chats, sends), (chats, makes_a_thread), (lists, creates)]
)
async def test_an_old_token_keeps_no_higher_role(
    shared_road: Pair,
    keys: Keys,
    looks: Callable[[Pair, Metadata], Awaitable[Any]],
    acts: Callable[[Pair, Metadata], Any],
) -> None:
    before = bob(shared_road, keys, "editor", minutes_old=2)
    await looks(shared_road, before)
    await looks(shared_road, bob(shared_road, keys, "viewer", minutes_old=1))
    refused = await refusal(acts(shared_road, before))
    assert (refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        {"role": "viewer", "needs": "editor"},
    )


async def test_a_message_of_a_thread_that_goes_on_asks_the_role_of_today(
    shared_road: Pair, keys: Keys
) -> None:
    before = bob(shared_road, keys, "editor", minutes_old=2)
    first = [
        e
        async for e in shared_road.chat.stub.SendMessage(
            shared_road.chat.asking("say hello"), metadata=before
        )
    ]
    thread = first[0].started.turn.partition("/turns/")[0]
    await chats(shared_road, bob(shared_road, keys, "viewer", minutes_old=1))
    again = shared_road.chat.stub.SendMessage(asking("again", name=thread), metadata=before)
    assert (await refusal(again)).reason == "PERMISSION_DENIED"


async def test_what_a_demoted_person_asked_for_can_not_be_approved(
    shared_road: Pair, keys: Keys
) -> None:
    before = bob(shared_road, keys, "editor", minutes_old=2)
    events = [
        e
        async for e in shared_road.chat.stub.SendMessage(
            shared_road.chat.asking(ASKED), metadata=before
        )
    ]
    await chats(shared_road, bob(shared_road, keys, "viewer", minutes_old=1))
    request = chat_pb2.DecideApprovalRequest(
        decision=approve(approval_of(events)), request_id=str(uuid4())
    )
    refused = await refusal(
        shared_road.chat.stub.DecideApproval(request, metadata=shared_road.metadata)
    )
    assert (refused.reason, refused.metadata) == (
        "CREATOR_ACCESS_LOST",
        {"user": "bob", "role": "viewer"},
    )


async def test_a_service_gives_nobody_a_role(shared_road: Pair, keys: Keys) -> None:
    """A demotion that only automation_service saw holds when chat_service acts for the person."""
    before = bob(shared_road, keys, "editor", minutes_old=2)
    events = [
        e
        async for e in shared_road.chat.stub.SendMessage(
            shared_road.chat.asking(ASKED), metadata=before
        )
    ]
    await lists(shared_road, bob(shared_road, keys, "viewer", minutes_old=1))
    approval = approval_of(events)
    request = chat_pb2.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
    await shared_road.chat.stub.DecideApproval(request, metadata=shared_road.metadata)
    frames = await shared_road.chat.watch(approval.turn, events[-1].sequence)
    [result] = [e.tool_call_finished for e in frames if e.HasField("tool_call_finished")]
    assert (result.outcome, result.resource) == (chat_pb2.ToolCallFinished.ERROR, "")
    assert not (await lists(shared_road, shared_road.metadata)).automations


async def test_a_demoted_creators_run_fails_and_says_which_role_it_has(
    road: Pair, keys: Keys
) -> None:
    _, automation = await approved(road)
    later = datetime.now(UTC)
    headers = keys.user_headers("ada", workspaces={"w": "viewer"}, iat=later)
    watcher = keys.user_headers("eve", workspaces={"w": "viewer"})
    async with road.automation.db.begin() as connection:
        await connection.exec_driver_sql(
            "update memberships set set_time = set_time - interval '1 hour'"
        )
    await lists(road, headers)
    road.clock.set(SLOT + timedelta(milliseconds=5))
    runs: list[pb.Run] = []

    async def ended() -> bool:
        found = await road.automations.ListRuns(
            pb.ListRunsRequest(parent=automation), metadata=watcher
        )
        runs[:] = [run for run in found.runs if run.HasField("end_time")]
        return bool(runs)

    await until(ended)
    [run] = runs
    assert run.state == pb.Run.FAILED
    assert run.error.details
    whole = await road.automations.GetRun(pb.GetRunRequest(name=run.name), metadata=watcher)
    assert "CREATOR_ACCESS_LOST" in str(whole.error)
    assert not whole.step_results
