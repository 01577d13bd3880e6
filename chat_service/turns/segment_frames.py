"""The first frames of a segment that follows a pause, and the results of calls that never ran.

The results hold the words for approvals that expired or were cancelled with their turn.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.persistence import approvals, frames, messages, turns
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, MessageRole
from chat_service.persistence.messages import Message
from chat_service.persistence.turns import Turn
from chat_service.runtime.ports import ActionType
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.message_parts import MessageParts
from chat_service.turns.segment import Segment
from shared.rpc.messages.struct import to_struct

_WHY = {
    ApprovalState.EXPIRED: "Nobody decided in time, so nothing was done.",
    ApprovalState.CANCELLED: "The turn ended before anybody decided, so nothing was done.",
    ApprovalState.APPROVED: "It was approved, but the turn ended before it was done: another"
    " approval of the turn was left undecided. Nothing was done.",
}
# A question is asked within a call that was begun.
_WHY_UNANSWERED = {
    ApprovalState.EXPIRED: "Nobody answered the question of the tool in time, so the call was given"
    " up.",
    ApprovalState.CANCELLED: "The turn ended before anybody answered the question of the tool, so"
    " the call was given up.",
    ApprovalState.APPROVED: "The question of the tool was answered, but the turn ended before the"
    " answer was used: another approval of the turn was left undecided.",
}
# What ended the turn comes before what was decided in vain: a subagent's call may have several.
_ORDER = (
    ApprovalState.EXPIRED,
    ApprovalState.CANCELLED,
    ApprovalState.APPROVED,
    ApprovalState.REJECTED,
)


def decision_events(rows: Sequence[Approval]) -> list[pb.TurnEvent]:
    shown = [convert.approval(row, full=False) for row in rows]
    return [pb.TurnEvent(approval_decided=pb.ApprovalDecided(approval=one)) for one in shown]


def completed_step(step: pb.Step) -> pb.TurnEvent:
    ended = pb.Step()
    ended.CopyFrom(step)
    ended.state = pb.Step.COMPLETED
    return pb.TurnEvent(step=ended)


def results_of_unrun_calls(
    rows: Sequence[Approval], message: MessageParts
) -> Iterator[pb.TurnEvent]:
    """A frame for each tool call of the approvals that has not ended."""
    told: set[str] = set()
    for row in sorted(rows, key=lambda row: _ORDER.index(row.state)):
        if row.tool_call_id not in told and not message.has_ended(row.tool_call_id):
            told.add(row.tool_call_id)
            yield pb.TurnEvent(tool_call_finished=_result(row))


def _result(row: Approval) -> pb.ToolCallFinished:
    rejected = row.state is ApprovalState.REJECTED
    return pb.ToolCallFinished(
        tool_call_id=row.tool_call_id,
        outcome=pb.ToolCallFinished.OK if rejected else pb.ToolCallFinished.ERROR,
        output=to_struct(_output(row)),
    )


def _output(row: Approval) -> dict[str, str]:
    why = _WHY_UNANSWERED if row.action_type == ActionType.QUESTION else _WHY
    match row.state:
        case ApprovalState.REJECTED:
            return {"status": "rejected", "reason": row.reason}
        case ApprovalState.APPROVED:
            return {"status": "error", "message": why[row.state]}
    return {"status": "rejected", "reason": row.state.value, "message": why[row.state]}


async def earlier_tool_calls(connection: AsyncConnection, turn: UUID) -> dict[str, dict[str, Any]]:
    """The tool and arguments of the calls that earlier segments began."""
    said = await messages.list_by_turn(connection, turn)
    calls = [part["tool_call"] for m in said for part in m.parts if "tool_call" in part]
    return {
        call["tool_call_id"]: {"tool": call["tool"], "args_json": call["args_json"]}
        for call in calls
        if call["tool"]
    }


def new_agent_message(turn: Turn, now: datetime) -> Message:
    """The agent's message of a segment, which the segment's end completes."""
    return Message(
        id=turn.agent_message_id,
        thread_id=turn.thread_id,
        turn_id=turn.id,
        segment=turn.segment,
        role=MessageRole.AGENT,
        create_time=now,
    )


async def store_resume_frames(
    connection: AsyncConnection,
    log: FrameLog,
    now: datetime,
    segment: Segment,
    more: Sequence[pb.TurnEvent] = (),
) -> list[bytes]:
    """Stores the first frames of a segment after a turn's first: `started`, the decisions, `more`.

    The decisions are those of the approvals that the segment before requested.
    """
    turn = segment.turn
    rows = await approvals.list_by_turn(connection, turn.id)
    decided = [row for row in rows if row.segment == turn.segment - 1]
    events = [segment.started_frame(), *decision_events(decided)]
    stored = log.number([*events, *more], turn.last_sequence)
    await frames.insert(connection, turn.id, turn.last_sequence, stored)
    await turns.update(
        connection,
        turn.id,
        now,
        state=turn.state,
        segments=list(turn.segments),
        agent_message_id=turn.agent_message_id,
        model_config_id=turn.model_config_id,
        cancel_requested=turn.cancel_requested,
        last_sequence=turn.last_sequence + len(stored),
    )
    return stored
