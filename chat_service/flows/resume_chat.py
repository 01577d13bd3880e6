"""A turn that resumes after its approvals were decided."""

from collections.abc import Sequence
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows.act_report import report_acts
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import write_approval_requests
from chat_service.flows.input_state import AgentInput
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentIO, SegmentSuspended
from shared import errors
from shared.telemetry import logs

log = logs.logger(__name__)


async def stream_resume_chat(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    """Streams a later segment, whose first frames and decisions are stored (resume_routing.py)."""
    io.start_span()
    # the checkpoint has the messages
    agent_input = AgentInput(decided=await _list_decided(deps, segment))
    try:
        pending = await stream_with_recovery(deps, segment, io, agent_input)
    except (errors.ModelRateLimited, errors.ModelUnavailable, errors.ModelGone) as error:
        await _end_with_report(deps, segment, io, error)
        pending = ()
    if pending:
        await write_approval_requests(deps.db, segment, io, pending)
    await io.finalize(SegmentSuspended() if pending else SegmentCompleted())


async def _end_with_report(
    deps: FlowDeps, segment: Segment, io: SegmentIO, error: errors.RotaError
) -> None:
    """Says what was done in place of a model that failed. Raises its error if nothing was."""
    async with deps.db.connect() as connection:
        rows = await approvals.list_by_turn(connection, segment.turn.id)
    said = report_acts(rows, segment.message)
    if not said:
        raise error
    log.warning("turn_ended_without_its_model", turn=segment.turn_name, reason=error.reason)
    text = pb.TextDelta(
        message=segment.agent_message_name, block=segment.message.next_block, text=said
    )
    await io.write(pb.TurnEvent(text_delta=text))


async def _list_decided(deps: FlowDeps, segment: Segment) -> Sequence[UUID]:
    async with deps.db.connect() as connection:
        rows = await approvals.list_by_turn(connection, segment.turn.id)
    return [row.id for row in rows if row.state is not ApprovalState.PENDING]
