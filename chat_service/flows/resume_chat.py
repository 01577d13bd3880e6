"""A turn that resumes after its approvals were decided."""

from collections.abc import Sequence
from uuid import UUID

from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import write_approval_requests
from chat_service.flows.input_state import AgentInput
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentIO, SegmentSuspended


async def stream_resume_chat(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    """Streams a later segment, whose first frames and decisions are stored (resume_routing.py)."""
    io.start_span()
    # the checkpoint has the messages
    agent_input = AgentInput(decided=await _list_decided(deps, segment))
    pending = await stream_with_recovery(deps, segment, io, agent_input)
    if pending:
        await write_approval_requests(deps.db, segment, io, pending)
    await io.finalize(SegmentSuspended() if pending else SegmentCompleted())


async def _list_decided(deps: FlowDeps, segment: Segment) -> Sequence[UUID]:
    async with deps.db.connect() as connection:
        rows = await approvals.list_by_turn(connection, segment.turn.id)
    return [row.id for row in rows if row.state is not ApprovalState.PENDING]
