"""A turn that is ended while it waits: its calls say that nothing was done, and why."""

import json
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence.turns import Turn
from chat_service.turns.expiry import WaitingTurns
from shared.rpc.messages import struct
from tests.chat_service.asking_first import ASK, asking_first
from tests.chat_service.conftest import Serving
from tests.support.system.chat import Chat, approve, kinds, reject, thread_of

Way = Literal["expired", "cancelled"]
ERROR, OK = pb.ToolCallFinished.ERROR, pb.ToolCallFinished.OK


async def end(serve: Serving, chat: Chat, turn: str, way: Way) -> None:
    if way == "cancelled":
        await chat.stub.CancelTurn(pb.CancelTurnRequest(name=turn), metadata=chat.metadata)
    else:
        serve.clock.advance(timedelta(days=7))
        await chat.service.tick()


def results(events: list[pb.TurnEvent]) -> dict[str, tuple[int, Any]]:
    found = [e.tool_call_finished for e in events if e.HasField("tool_call_finished")]
    return {one.tool_call_id: (one.outcome, struct.to_json(one.output)) for one in found}


async def newest(chat: Chat, thread: str) -> pb.Message:
    request = pb.ListMessagesRequest(parent=thread, page_size=1)
    found = await chat.stub.ListMessages(request, metadata=chat.metadata)
    message: pb.Message = found.messages[0]
    return message


@pytest.mark.parametrize("way", ["expired", "cancelled"])
async def test_the_result_says_so_in_frames_message_and_the_next_turns_history(
    serve: Serving, way: Way
) -> None:
    async with asking_first(serve, 1) as asking:
        chat = asking.chat
        events = await chat.send(ASK)
        turn, thread = events[0].started.turn, thread_of(events)
        await end(serve, chat, turn, way)

        after = await chat.watch(turn, events[-1].sequence)
        assert kinds(after) == ["started", "approval_decided", "tool_call_finished", "cancelled"]
        ((call, (outcome, output)),) = results(after).items()
        assert (outcome, output["status"], output["reason"]) == (ERROR, "rejected", way)
        assert "nothing was done" in output["message"]

        said = await newest(chat, thread)
        assert said.name == after[0].started.agent_message
        (part,) = said.parts
        assert (part.tool_call.tool_call_id, part.tool_call.tool) == (call, "now")
        assert struct.to_json(part.tool_call.output) == output

        await chat.send("and now?", name=thread)
        assert [json.loads(result) for result in asking.results()] == [output]


async def test_a_turn_that_can_not_be_expired_stops_no_other(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_first(serve, 1) as asking:
        chat, sound = asking.chat, WaitingTurns.end
        broken, other = [(await chat.send(ASK))[0].started.turn for _ in range(2)]

        async def break_one(self: WaitingTurns, at: Any, turn: Turn, state: Any) -> None:
            if broken.endswith(str(turn.id)):
                raise ValueError("one of its rows is broken")
            await sound(self, at, turn, state)

        monkeypatch.setattr(WaitingTurns, "end", break_one)
        await end(serve, chat, other, "expired")
        states = [(await chat.turn(turn)).state for turn in (broken, other)]
        assert states == [pb.Turn.AWAITING_APPROVAL, pb.Turn.CANCELLED]
        monkeypatch.setattr(WaitingTurns, "end", sound)
        await chat.service.tick()
        assert (await chat.turn(broken)).state == pb.Turn.CANCELLED


async def test_what_was_decided_in_vain_says_so_when_another_one_expires(serve: Serving) -> None:
    async with asking_first(serve, 3) as asking:
        chat = asking.chat
        events = await chat.send(ASK)
        approved, rejected, left = events[-1].suspended.approvals
        for decision in (approve(approved), reject(rejected, "not today")):
            request = pb.DecideApprovalRequest(decision=decision, request_id=str(uuid4()))
            await chat.stub.DecideApproval(request, metadata=chat.metadata)
        await end(serve, chat, approved.turn, "expired")

        found = results(await chat.watch(approved.turn, events[-1].sequence))
        assert len(found) == 3
        outcome, output = found[approved.tool_call_id]
        assert (outcome, output["status"]) == (ERROR, "error")
        assert "It was approved" in output["message"]
        assert found[rejected.tool_call_id] == (OK, {"status": "rejected", "reason": "not today"})
        assert found[left.tool_call_id][1]["reason"] == "expired"
        states = [one.state for one in (await chat.turn(approved.turn)).approvals]
        assert states == [pb.Approval.APPROVED, pb.Approval.REJECTED, pb.Approval.EXPIRED]
