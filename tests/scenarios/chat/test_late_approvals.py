"""What is approved too late to ever fire: the card says so, stays open, and can be edited."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb

from shared import errors
from shared.errors import Code
from shared.rpc.messages import struct
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import START, Chat, approval_of, approve, edit, reject

ONCE = "in two minutes tell me a joke"
AT = "definition.triggers[0].config.at"


@pytest.fixture
async def chat(serve: Serving) -> Chat:
    return await serve()


@pytest.fixture
async def asked(chat: Chat) -> pb.Approval:
    return approval_of(await chat.send(ONCE))


def pass_by(serve: Serving, automations: MemoryAutomations, minutes: int) -> None:
    serve.clock.set(START + timedelta(minutes=minutes))
    automations.now = serve.clock.now()


async def decide(chat: Chat, decision: pb.Decision) -> Any:
    request = pb.DecideApprovalRequest(
        name=decision.approval, decision=decision, request_id=str(uuid4())
    )
    return await chat.stub.DecideApproval(request, metadata=chat.metadata)


async def get(chat: Chat, name: str) -> pb.Approval:
    request = pb.GetApprovalRequest(name=name)
    found: pb.Approval = await chat.stub.GetApproval(request, metadata=chat.metadata)
    return found


async def test_the_card_stays_open_and_an_edited_time_is_saved(
    serve: Serving, chat: Chat, asked: pb.Approval, automations: MemoryAutomations
) -> None:
    pass_by(serve, automations, 10)

    late = await refusal(decide(chat, approve(asked)))
    assert (late.code, late.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [v.field for v in late.violations] == [f"decision.edit.payload.{AT}"]
    assert late.violations[0].reason == "NEVER_FIRES"
    assert "would never fire" in late.violations[0].description
    assert late.message == f"decision.approve: {AT}: {late.violations[0].description}"
    whole = pb.ResumeTurnRequest(
        name=asked.turn, decisions=[approve(asked)], request_id=str(uuid4())
    )
    late = await refusal(chat.stub.ResumeTurn(whole, metadata=chat.metadata))
    assert [v.field for v in late.violations] == [f"decisions[0].edit.payload.{AT}"]
    assert late.message.startswith(f"decisions[0].approve: {AT}: ")
    assert (await get(chat, asked.name)).state == pb.Approval.PENDING
    assert automations.creates == 0

    payload = struct.to_json(asked.payload)
    payload["definition"]["triggers"][0]["config"]["at"] = "2026-11-23T08:30"
    await chat.resume(asked.turn, edit(asked, payload))
    (saved,) = automations.saved.values()
    assert saved.payload["definition"]["triggers"][0]["config"]["at"] == "2026-11-23T08:30"


async def test_what_is_late_may_be_rejected(
    serve: Serving, chat: Chat, asked: pb.Approval, automations: MemoryAutomations
) -> None:
    pass_by(serve, automations, 10)
    assert (await decide(chat, reject(asked, "too late"))).state == pb.Approval.REJECTED


async def test_a_decision_made_in_time_is_told_again_later(
    serve: Serving, chat: Chat, asked: pb.Approval, automations: MemoryAutomations
) -> None:
    payload = struct.to_json(asked.payload)
    payload["description"] = "At once."
    await chat.resume(asked.turn, edit(asked, payload))
    pass_by(serve, automations, 10)
    assert (await decide(chat, edit(asked, payload))).state == pb.Approval.APPROVED
    other = await refusal(decide(chat, approve(asked)))
    assert other.reason == "APPROVAL_DECIDED"


async def test_what_comes_late_after_the_decision_is_an_invalid_result(
    serve: Serving, chat: Chat, asked: pb.Approval, automations: MemoryAutomations
) -> None:
    automations.now = START + timedelta(minutes=10)  # its clock is ahead, as of a slow call
    after = await chat.resume(asked.turn, approve(asked))
    finished = next(e.tool_call_finished for e in after if e.HasField("tool_call_finished"))
    assert finished.outcome == pb.ToolCallFinished.ERROR
    said = struct.to_json(finished.output)
    assert said["status"] == "invalid"
    assert said["issues"][0].startswith(f"{AT}: its moment has passed")


async def test_while_the_other_service_is_away_a_late_approval_is_left_to_it(
    serve: Serving,
    chat: Chat,
    asked: pb.Approval,
    automations: MemoryAutomations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(**_: Any) -> Any:
        raise errors.PeerUnavailable("automation_service")

    monkeypatch.setattr(automations, "validate", away)
    pass_by(serve, automations, 10)
    assert (await decide(chat, approve(asked))).state == pb.Approval.APPROVED
