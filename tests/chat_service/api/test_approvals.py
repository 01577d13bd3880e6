"""Decisions: checked first, stored once, acted on once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.runtime.ports import DestinationView
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.json import canonical_json
from shared.rpc.messages import struct
from tests.chat_service.asking_first import ASK, asking_first
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import (
    START,
    Chat,
    approval_of,
    approve,
    chat_service,
    edit,
    kinds,
    reject,
    until,
)

SCHEDULE = "every weekday at 9 in Paris summarise the news"


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@pytest.fixture
async def asked(chat: Chat) -> list[pb.TurnEvent]:
    return await chat.send(SCHEDULE)


async def test_what_was_shown_is_what_is_saved(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations, demo: DemoServer
) -> None:
    approval = approval_of(asked)
    shown = struct.to_json(approval.payload)
    assert approval.payload_digest == canonical_json.digest(shown)
    after = await chat.resume(approval.turn, approve(approval))
    (saved,) = automations.saved.values()
    assert canonical_json.canonical_bytes(saved.payload) == canonical_json.canonical_bytes(shown)
    finished = next(e.tool_call_finished for e in after if e.HasField("tool_call_finished"))
    assert (finished.outcome, finished.resource) == (pb.ToolCallFinished.OK, saved.name)
    assert len(demo.controls.log("drafter")) == 1


async def test_the_card_has_everything_a_person_needs(asked: list[pb.TurnEvent]) -> None:
    approval = approval_of(asked)
    assert approval.action_type == "automation_create"
    assert approval.requested_by == "users/ada"
    assert approval.payload_schema.fields["type"].string_value == "object"
    first = approval.preview.slots[0]
    assert (first.local_time[:16], first.time_zone) == ("2026-11-24T09:00", "Europe/Paris")
    assert approval.expire_time.seconds - approval.create_time.seconds == 7 * 86_400
    assert "intent" in approval.context.fields


async def test_a_resumed_segment_goes_on_in_the_same_turn(
    chat: Chat, asked: list[pb.TurnEvent]
) -> None:
    approval = approval_of(asked)
    after = await chat.resume(approval.turn, approve(approval))
    assert after[0].sequence == asked[-1].sequence + 1
    assert after[0].started.resumed
    assert after[0].started.agent_message != asked[0].started.agent_message
    assert kinds(after)[:3] == ["started", "approval_decided", "tool_call_finished"]
    assert await chat.watch(approval.turn, asked[-1].sequence) == after
    turn = await chat.turn(approval.turn)
    assert turn.state == pb.Turn.SUCCEEDED
    assert turn.approvals[0].resource.startswith(f"{chat.workspace}/automations/")


async def test_a_rejection_tells_the_model_why_and_saves_nothing(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    after = await chat.resume(approval.turn, reject(approval, "not on Fridays"))
    assert after[-1].WhichOneof("event") == "completed"
    finished = next(e.tool_call_finished for e in after if e.HasField("tool_call_finished"))
    assert finished.output["reason"] == "not on Fridays"
    assert not automations.saved
    decided = await chat.stub.GetApproval(
        pb.GetApprovalRequest(name=approval.name), metadata=chat.metadata
    )
    assert (decided.state, decided.decided_by) == (pb.Approval.REJECTED, "users/ada")


async def test_an_edit_replaces_the_whole_payload(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    payload = struct.to_json(approval.payload)
    payload["display_name"] = payload["definition"]["name"] = "Evening news"
    payload["definition"]["triggers"][0]["config"]["cron"] = "30 18 * * 1-5"
    await chat.resume(approval.turn, edit(approval, payload))
    (saved,) = automations.saved.values()
    assert saved.payload["display_name"] == "Evening news"
    assert saved.payload["definition"]["triggers"][0]["config"]["cron"] == "30 18 * * 1-5"


async def test_an_invalid_edit_keeps_the_card_open_and_names_the_field(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    payload = struct.to_json(approval.payload)
    payload["definition"]["triggers"][0]["config"]["cron"] = "* * * * * *"
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[edit(approval, payload)], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    field = "decisions[0].edit.payload.definition.triggers[0].config.cron"
    assert field in [v.field for v in refused.violations]
    assert (await chat.turn(approval.turn)).state == pb.Turn.AWAITING_APPROVAL
    await chat.resume(approval.turn, approve(approval))
    assert len(automations.saved) == 1


async def test_deciding_the_same_again_answers_the_same(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    first = await chat.resume(approval.turn, approve(approval))
    again = await chat.resume(approval.turn, approve(approval))
    assert again == first
    assert automations.creates == 1


async def test_a_first_decision_is_told_again_while_the_turn_waits_for_a_second(
    serve: Serving,
) -> None:
    async with asking_first(serve, 1, 1) as asking:
        approval = approval_of(await asking.chat.send(ASK))
        first = await asking.chat.resume(approval.turn, approve(approval))
        assert first[-1].HasField("suspended")
        again = await asking.chat.resume(approval.turn, approve(approval))
        assert again == first


async def test_a_decision_made_before_does_not_stand_for_the_others_of_its_pause(
    serve: Serving,
) -> None:
    async with asking_first(serve, 2) as asking:
        chat = asking.chat
        first, second = (await chat.send(ASK))[-1].suspended.approvals
        decide = pb.DecideApprovalRequest(decision=approve(first), request_id=str(uuid4()))
        await chat.stub.DecideApproval(decide, metadata=chat.metadata)
        resume = pb.ResumeTurnRequest(
            name=first.turn, decisions=[approve(first)], request_id=str(uuid4())
        )
        refused = await refusal(chat.stub.ResumeTurn(resume, metadata=chat.metadata))
        assert (refused.reason, refused.metadata["approvals"]) == (
            "APPROVALS_UNDECIDED",
            second.name,
        )


async def test_two_resumes_at_once_act_once(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    both = await asyncio.gather(
        chat.resume(approval.turn, approve(approval)),
        chat.resume(approval.turn, approve(approval)),
    )
    assert both[0] == both[1]
    assert automations.creates == 1


async def test_an_approval_is_decided_from_another_device(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations, keys: Keys
) -> None:
    approval = approval_of(asked)
    headers = keys.user_headers("bob", workspaces={chat.workspace_id: "editor"})
    pending = await chat.stub.ListApprovals(
        pb.ListApprovalsRequest(parent=chat.workspace, filter="state = PENDING"), metadata=headers
    )
    assert [a.name for a in pending.approvals] == [approval.name]
    request = pb.DecideApprovalRequest(
        name=approval.name, decision=approve(approval), request_id=str(uuid4())
    )
    decided = await chat.stub.DecideApproval(request, metadata=headers)
    assert (decided.state, decided.decided_by, decided.requested_by) == (
        pb.Approval.APPROVED,
        "users/bob",
        "users/ada",
    )

    async def saved() -> bool:
        return len(automations.saved) == 1

    await until(saved)
    after = await chat.watch(approval.turn, asked[-1].sequence)
    assert after[-1].WhichOneof("event") == "completed"


async def test_every_pending_approval_must_be_named(chat: Chat) -> None:
    events = await chat.send(f"{SCHEDULE} and also every day at 18:30 in Paris tell me a joke")
    pending = list(events[-1].suspended.approvals)
    assert len(pending) == 2
    request = pb.ResumeTurnRequest(
        name=pending[0].turn, decisions=[approve(pending[0])], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    assert (refused.reason, refused.metadata["approvals"]) == (
        "APPROVALS_UNDECIDED",
        pending[1].name,
    )
    still = await chat.turn(pending[0].turn)
    assert [a.state for a in still.approvals] == [pb.Approval.PENDING] * 2


async def test_one_decision_at_a_time_resumes_with_the_last(
    chat: Chat, automations: MemoryAutomations
) -> None:
    events = await chat.send(f"{SCHEDULE} and also every day at 18:30 in Paris tell me a joke")
    first, second = events[-1].suspended.approvals
    for decision in (approve(first), reject(second, "no jokes")):
        await chat.stub.DecideApproval(
            pb.DecideApprovalRequest(decision=decision, request_id=str(uuid4())),
            metadata=chat.metadata,
        )
    after = await chat.watch(first.turn, events[-1].sequence)
    assert after[-1].WhichOneof("event") == "completed"
    assert kinds(after).count("approval_decided") == 2
    assert len(automations.saved) == 1


async def test_an_approval_that_nobody_decides_expires(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> None:
    clock = ManualClock(START)
    async with chat_service(
        chat_databases,
        keys,
        demo.base_url,
        automations=automations,
        clock=clock,
    ) as chat:
        events = await chat.send(SCHEDULE)
        calls = len(demo.controls.log())
        clock.advance(timedelta(days=7))
        await chat.service.tick()
        approval = approval_of(events)
        after = await chat.watch(approval.turn, events[-1].sequence)
        assert kinds(after) == ["started", "approval_decided", "tool_call_finished", "cancelled"]
        assert after[1].approval_decided.approval.state == pb.Approval.EXPIRED
        request = pb.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
        refused = await refusal(chat.stub.DecideApproval(request, metadata=chat.metadata))
        assert refused.reason == "APPROVAL_EXPIRED"
        assert len(demo.controls.log()) == calls


async def preview(chat: Chat, decision: pb.Decision) -> pb.Approval:
    request = pb.PreviewDecisionRequest(decision=decision)
    found: pb.Approval = await chat.stub.PreviewDecision(request, metadata=chat.metadata)
    return found


def warnings_of(approval: pb.Approval) -> list[str]:
    context = struct.to_json(approval.context)
    return [*context["consequences"]["warnings"], *context.get("warnings", [])]


async def test_an_edit_gets_the_warnings_that_its_own_draft_would_have(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    payload = struct.to_json(approval.payload)
    (step, _), execution = payload["definition"]["plan"], payload["definition"]["execution"]
    (trigger,) = payload["definition"]["triggers"]
    before = warnings_of(approval)
    trigger["config"]["cron"] = "*/5 9 * * 1-5"
    trigger["config"]["timezone"] = "Asia/Tokyo"
    step["config"]["prompt"] = "Read https://example.com and sum it up."
    step["config"]["tools"] = []
    shown = await preview(chat, edit(approval, payload))
    new = set(warnings_of(shown)) - set(before)
    for said in ("minutes apart", "needs the web", "Tokyo"):
        assert any(said in one for one in new), said
    assert struct.to_json(shown.context)["consequences"]["runs_per_month"] > 200
    assert struct.to_json(shown.edited_payload)["definition"]["plan"][0]["config"]["tools"] == []
    assert (shown.state, shown.payload_digest) == (pb.Approval.PENDING, approval.payload_digest)
    assert not shown.HasField("preview") or not shown.preview.slots
    # Another policy tells of the same slots in other words.
    execution["concurrency"] = "always"
    meanwhile = next(one for one in new if "minutes apart" in one)
    assert meanwhile not in warnings_of(await preview(chat, edit(approval, payload)))
    # Back to what was proposed, and nothing was decided.
    back = await preview(chat, edit(approval, struct.to_json(approval.payload)))
    assert warnings_of(back) == before
    assert warnings_of(await preview(chat, approve(approval))) == before
    assert not automations.saved
    assert (await chat.turn(approval.turn)).state == pb.Turn.AWAITING_APPROVAL
    await chat.resume(approval.turn, edit(approval, payload))
    assert len(automations.saved) == 1


async def test_an_edit_of_where_it_goes_is_named_on_its_card(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    slack = DestinationView(
        name=f"{chat.workspace}/destinations/team",
        display_name="Team",
        kind="slack",
        host="hooks.slack.com",
        state="paused",
    )
    automations.destinations = [slack]
    approval = approval_of(asked)
    other = await chat.stub.CreateThread(
        pb.CreateThreadRequest(parent=chat.workspace, thread=pb.Thread(display_name="Plans")),
        metadata=chat.metadata,
    )
    here = approval.turn.partition("/turns/")[0]
    strangers = [
        other.name.replace(chat.workspace, "workspaces/x"),
        f"{chat.workspace}/threads/none",
    ]
    payload = struct.to_json(approval.payload)
    _, deliver = payload["definition"]["plan"]
    assert deliver["config"]["to"] == [here]

    deliver["config"]["to"] = [other.name, slack.name, here, *strangers]
    shown = await preview(chat, edit(approval, payload))

    told = struct.to_json(shown.context)["consequences"]["deliveries"]
    assert [(one["kind"], one["display_name"], one.get("host")) for one in told] == [
        ("thread", "Plans", None),
        ("slack", "Team", "hooks.slack.com"),
        ("thread", "this conversation", None),
        ("thread", "Untitled thread", None),
        ("thread", "Untitled thread", None),
    ]
    assert any("“Team”, which is paused" in one for one in warnings_of(shown))
    payload["definition"]["plan"].pop()
    nowhere = await preview(chat, edit(approval, payload))
    assert struct.to_json(nowhere.context)["consequences"]["deliveries"] == []
    assert any("delivered nowhere" in one for one in warnings_of(nowhere))


async def test_the_preview_of_a_decision_refuses_what_the_decision_would(
    chat: Chat, asked: list[pb.TurnEvent], keys: Keys
) -> None:
    approval = approval_of(asked)
    payload = struct.to_json(approval.payload)
    payload["definition"]["plan"] = []
    refused = await refusal(preview(chat, edit(approval, payload)))
    assert [v.field for v in refused.violations] == ["decision.edit.payload.definition.plan"]
    stale = approve(approval)
    stale.payload_digest = "0" * 64
    assert (await refusal(preview(chat, stale))).reason == "DIGEST_MISMATCH"
    viewer = keys.user_headers("eve", workspaces={chat.workspace_id: "viewer"})
    request = pb.PreviewDecisionRequest(decision=approve(approval))
    refused = await refusal(chat.stub.PreviewDecision(request, metadata=viewer))
    assert refused.reason == "PERMISSION_DENIED"
    await chat.resume(approval.turn, reject(approval, "no"))
    assert (await refusal(preview(chat, approve(approval)))).reason == "APPROVAL_DECIDED"
