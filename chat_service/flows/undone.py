"""Calls that waited for a person when their turn was ended: what their results say."""

from collections.abc import Iterator, Sequence

from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.flows.work import Fold
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from shared.rpc import struct

_WHY = {
    ApprovalState.EXPIRED: "Nobody decided in time, so nothing was done.",
    ApprovalState.CANCELLED: "The turn ended before anybody decided, so nothing was done.",
    ApprovalState.APPROVED: "It was approved, but the turn ended before it was done: another"
    " approval of the turn was left undecided. Nothing was done.",
}
# What ended the turn comes before what was decided in vain: a subagent's call may have several.
_ORDER = (
    ApprovalState.EXPIRED,
    ApprovalState.CANCELLED,
    ApprovalState.APPROVED,
    ApprovalState.REJECTED,
)


def decided(rows: Sequence[Approval]) -> list[pb.TurnEvent]:
    shown = [convert.approval(row, full=False) for row in rows]
    return [pb.TurnEvent(approval_decided=pb.ApprovalDecided(approval=one)) for one in shown]


def finished(rows: Sequence[Approval], fold: Fold) -> Iterator[pb.TurnEvent]:
    """A frame for each call that the approvals were of, unless it has ended."""
    told: set[str] = set()
    for row in sorted(rows, key=lambda row: _ORDER.index(row.state)):
        if row.tool_call_id not in told and not fold.has_ended(row.tool_call_id):
            told.add(row.tool_call_id)
            yield pb.TurnEvent(tool_call_finished=_result(row))


def _result(row: Approval) -> pb.ToolCallFinished:
    rejected = row.state is ApprovalState.REJECTED
    return pb.ToolCallFinished(
        tool_call_id=row.tool_call_id,
        outcome=pb.ToolCallFinished.OK if rejected else pb.ToolCallFinished.ERROR,
        output=struct.struct(_output(row)),
    )


def _output(row: Approval) -> dict[str, str]:
    match row.state:
        case ApprovalState.REJECTED:
            return {"status": "rejected", "reason": row.reason}
        case ApprovalState.APPROVED:
            return {"status": "error", "message": _WHY[row.state]}
    return {"status": "rejected", "reason": row.state.value, "message": _WHY[row.state]}
