"""Decisions that are refused: why, and that nothing is stored of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from chat_service.persistence.enums import TurnState
from shared.errors import Code
from shared.rpc.access import Access
from shared.rpc.idempotency import Idempotency
from shared.rpc.messages import struct
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import (
    SCHEDULE,
    START,
    Chat,
    approval_of,
    approve,
    edit,
    reject,
    told,
)


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@pytest.fixture
async def asked(chat: Chat) -> list[pb.TurnEvent]:
    return await chat.send(SCHEDULE)


async def test_invalid_edits_of_several_cards_are_told_together(
    chat: Chat, automations: MemoryAutomations
) -> None:
    events = await chat.send(f"{SCHEDULE} and also every day at 18:30 in Paris tell me a joke")
    first, second = events[-1].suspended.approvals
    decisions = [edit(first, _seconds(first)), edit(second, _seconds(second))]
    refused = await refusal(
        chat.stub.ResumeTurn(_resume(first.turn, *decisions), metadata=chat.metadata)
    )
    assert [v.field for v in refused.violations] == [
        f"decisions[{i}].edit.payload.definition.triggers[0].config.cron" for i in (0, 1)
    ]
    await chat.resume(first.turn, approve(first), approve(second))
    assert len(automations.saved) == 2


async def test_what_can_not_be_decided_is_not_looked_at_for_faults(
    serve: Serving,
) -> None:
    chat = await serve()
    approval = approval_of(await chat.send(SCHEDULE))
    decision = edit(approval, _seconds(approval))

    async def reason() -> str:
        request = pb.DecideApprovalRequest(decision=decision, request_id=str(uuid4()))
        refused = await refusal(chat.stub.DecideApproval(request, metadata=chat.metadata))
        return refused.reason

    assert await reason() == "INVALID_REQUEST"
    decision.payload_digest = "0" * 64
    assert await reason() == "DIGEST_MISMATCH"
    serve.clock.advance(timedelta(days=7))
    assert await reason() == "APPROVAL_EXPIRED"


async def test_a_card_is_decided_once_its_turn_waits(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    """Not before: other tools of it may still run."""
    approval = approval_of(asked)

    async def turn_is(state: str, owner: UUID | None) -> None:
        until = sa.func.clock_timestamp() + timedelta(hours=1) if owner else None
        async with chat.engine.begin() as connection:
            await connection.execute(
                sa.update(tables.turns)
                .where(tables.turns.c.workspace_id == chat.workspace_id)
                .values(state=TurnState(state), lease_owner=owner, lease_expire_time=until)
            )

    async def decided() -> Any:
        request = pb.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
        return await chat.stub.DecideApproval(request, metadata=chat.metadata)

    await turn_is("running", uuid4())
    refused = await refusal(decided())
    assert (refused.reason, refused.metadata["turn"]) == ("TURN_IN_PROGRESS", approval.turn)
    assert not automations.saved
    await turn_is("awaiting_approval", None)
    assert (await decided()).state == pb.Approval.APPROVED


@pytest.mark.parametrize("call", ["GetApproval", "DecideApproval", "ResumeTurn"])
@pytest.mark.parametrize(
    "name",
    [
        f"{{workspace}}/approvals/{uuid4()}",
        f"workspaces/other/approvals/{uuid4()}",
        "{workspace}/approvals/mine",
    ],
    ids=["of nothing", "of another workspace", "no id"],
)
async def test_an_approval_that_is_not_there_is_not_found(
    chat: Chat, asked: list[pb.TurnEvent], call: str, name: str
) -> None:
    name = name.format(workspace=chat.workspace)
    decision = approve(approval_of(asked))
    decision.approval = name
    request: Any = {
        "GetApproval": pb.GetApprovalRequest(name=name),
        "DecideApproval": pb.DecideApprovalRequest(decision=decision, request_id=str(uuid4())),
        "ResumeTurn": _resume(asked[0].started.turn, decision),
    }[call]
    refused = await refusal(getattr(chat.stub, call)(request, metadata=chat.metadata))
    assert (refused.code, refused.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_an_approval_of_another_turn_or_a_turn_of_another_thread_is_not_found(
    chat: Chat, asked: list[pb.TurnEvent]
) -> None:
    decision, other = approve(approval_of(asked)), (await chat.send("hello"))[0].started.turn
    thread, mine = other.partition("/turns/")[0], asked[0].started.turn.rpartition("/")[2]
    for turn in (other, f"{thread}/turns/{mine}", f"{thread}/turns/{uuid4()}"):
        refused = await refusal(
            chat.stub.ResumeTurn(_resume(turn, decision), metadata=chat.metadata)
        )
        assert refused.reason == "RESOURCE_NOT_FOUND"
    assert (await chat.turn(asked[0].started.turn)).state == pb.Turn.AWAITING_APPROVAL


async def test_a_digest_of_something_else_is_refused(chat: Chat, asked: list[pb.TurnEvent]) -> None:
    decision = approve(approval_of(asked))
    decision.payload_digest = "0" * 64
    request = pb.ResumeTurnRequest(
        name=asked[0].started.turn, decisions=[decision], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    assert refused.reason == "DIGEST_MISMATCH"


@pytest.mark.parametrize("call", ["CancelTurn", "ResumeTurn", "DecideApproval"])
@pytest.mark.parametrize("when", ["admit", "once"])
async def test_what_is_deleted_in_the_middle_of_a_call_is_not_found(
    chat: Chat,
    asked: list[pb.TurnEvent],
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    call: str,
) -> None:
    approval = approval_of(asked)
    owner, method = {"admit": (Access, "admit"), "once": (Idempotency, "run")}[when]
    go_on = getattr(owner, method)
    before = iter({"admit": [False, True], "once": [True]}[when])  # it is admitted twice
    request: Any = {
        "CancelTurn": pb.CancelTurnRequest(name=approval.turn),
        "ResumeTurn": _resume(approval.turn, approve(approval)),
        "DecideApproval": pb.DecideApprovalRequest(
            decision=approve(approval), request_id=str(uuid4())
        ),
    }[call]

    async def after_a_delete(self: Any, *given: Any, **named: Any) -> Any:
        if next(before):
            async with chat.engine.begin() as connection:
                mine = tables.threads.c.workspace_id == chat.workspace_id
                await connection.execute(sa.delete(tables.threads).where(mine))
        return await go_on(self, *given, **named)

    monkeypatch.setattr(owner, method, after_a_delete)
    refused = await refusal(getattr(chat.stub, call)(request, metadata=chat.metadata))
    assert refused.reason == "RESOURCE_NOT_FOUND"
    assert next(before, None) is None


async def test_deciding_another_way_is_refused(chat: Chat, asked: list[pb.TurnEvent]) -> None:
    approval = approval_of(asked)
    await chat.resume(approval.turn, approve(approval))
    request = pb.ResumeTurnRequest(
        name=approval.turn, decisions=[reject(approval, "no")], request_id=str(uuid4())
    )
    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))
    assert refused.reason == "APPROVAL_DECIDED"


async def test_another_edit_of_what_was_decided_is_refused(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations
) -> None:
    approval = approval_of(asked)
    one, two = struct.to_json(approval.payload), struct.to_json(approval.payload)
    one["display_name"] = one["definition"]["name"] = "One"
    two["display_name"] = two["definition"]["name"] = "Two"
    await chat.resume(approval.turn, edit(approval, one))
    again = pb.DecideApprovalRequest(decision=edit(approval, two), request_id=str(uuid4()))
    refused = await refusal(chat.stub.DecideApproval(again, metadata=chat.metadata))
    assert refused.reason == "APPROVAL_DECIDED"
    (saved,) = automations.saved.values()
    assert saved.payload["display_name"] == "One"


async def test_a_viewer_may_look_and_not_decide(
    chat: Chat, asked: list[pb.TurnEvent], keys: Keys
) -> None:
    approval = approval_of(asked)
    viewer = keys.user_headers("eve", workspaces={chat.workspace_id: "viewer"})
    await chat.stub.GetApproval(pb.GetApprovalRequest(name=approval.name), metadata=viewer)
    request = pb.DecideApprovalRequest(decision=approve(approval), request_id=str(uuid4()))
    refused = await refusal(chat.stub.DecideApproval(request, metadata=viewer))
    assert refused.reason == "PERMISSION_DENIED"


async def test_to_a_stranger_nothing_exists(
    chat: Chat, asked: list[pb.TurnEvent], keys: Keys
) -> None:
    approval = approval_of(asked)
    stranger = keys.user_headers("eve", workspaces={"other": "owner"})
    for call in (
        chat.stub.GetApproval(pb.GetApprovalRequest(name=approval.name), metadata=stranger),
        chat.stub.GetTurn(pb.GetTurnRequest(name=approval.turn), metadata=stranger),
        chat.stub.WatchTurn(pb.WatchTurnRequest(name=approval.turn), metadata=stranger),
        chat.stub.ListApprovals(pb.ListApprovalsRequest(parent=chat.workspace), metadata=stranger),
    ):
        assert (await refusal(call)).reason == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("call", ["ResumeTurn", "DecideApproval"])
async def test_what_one_who_lost_access_asked_for_may_be_rejected_and_not_approved(
    chat: Chat, asked: list[pb.TurnEvent], automations: MemoryAutomations, keys: Keys, call: str
) -> None:
    approval = approval_of(asked)
    bob = keys.user_headers("bob", workspaces={chat.workspace_id: "editor"})
    await _revoke(chat, "ada")

    async def decide(decision: pb.Decision) -> None:
        if call == "DecideApproval":
            one = pb.DecideApprovalRequest(decision=decision, request_id=str(uuid4()))
            await chat.stub.DecideApproval(one, metadata=bob)
        else:
            await told(chat.stub.ResumeTurn(_resume(approval.turn, decision), metadata=bob))

    for decision in (approve(approval), edit(approval, struct.to_json(approval.payload))):
        refused = await refusal(decide(decision))
        assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "CREATOR_ACCESS_LOST")
    await decide(reject(approval, "she has left"))
    assert not automations.saved


async def test_a_decision_is_told_again_when_the_one_who_asked_has_lost_access_since(
    chat: Chat, asked: list[pb.TurnEvent], keys: Keys
) -> None:
    approval = approval_of(asked)
    first = await chat.resume(approval.turn, approve(approval))
    bob = keys.user_headers("bob", workspaces={chat.workspace_id: "editor"})
    await _revoke(chat, "ada")
    again = _resume(approval.turn, approve(approval))
    assert await told(chat.stub.ResumeTurn(again, metadata=bob)) == first


def _seconds(approval: pb.Approval) -> dict[str, Any]:
    payload: dict[str, Any] = struct.to_json(approval.payload)
    payload["definition"]["triggers"][0]["config"]["cron"] = "* * * * * *"
    return payload


def _resume(turn: str, *decisions: pb.Decision) -> pb.ResumeTurnRequest:
    return pb.ResumeTurnRequest(name=turn, decisions=decisions, request_id=str(uuid4()))


async def _revoke(chat: Chat, user: str) -> None:
    t = tables.tenants.memberships
    async with chat.engine.begin() as connection:
        await connection.execute(
            sa.update(t)
            .where(t.c.workspace_id == chat.workspace_id, t.c.user_id == user)
            .values(revoked_time=START)
        )
