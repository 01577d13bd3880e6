"""An unattended task: a turn on an internal thread, without approvals or a title."""

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.flows import input_state, runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.input_state import AgentInput
from chat_service.flows.open_turn import NewTurn, OpenedSegment, TurnOpener
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentFailed, SegmentIO
from shared import errors


async def open_agent_task(
    opener: TurnOpener, connection: AsyncConnection, new_turn: NewTurn
) -> OpenedSegment:
    """Opens the turn of a task, in the caller's transaction, as open_new_chat does."""
    opening = await opener.lock_or_create_thread(connection, new_turn)
    choice = await opener.choose_model(opening, new_turn)
    opened = opener.build_segment(opening, new_turn, choice)
    await opening.store(new_turn, choice, opened)
    await opening.reserve_quota(choice, opened)
    return opened


async def stream_agent_task(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    """Streams a task. One that wants an approval fails."""
    io.start_span()
    agent_input = AgentInput(
        messages=await input_state.load_model_messages(deps, segment),
        task=runtime_context.task_limits(segment),
    )
    if await stream_with_recovery(deps, segment, io, agent_input):
        refused = errors.ApprovalNotGranted("the task wanted an approval")
        await io.finalize(SegmentFailed(refused))
    else:
        await io.finalize(SegmentCompleted())
