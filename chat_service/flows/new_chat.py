"""A new chat in nine steps: a message opens a turn, the agent answers, the turn ends.

`open_new_chat` takes steps 1 to 4, in one transaction or, for a plain message, in two statements:
`OpeningThread` is the difference. After the commit the turn engine calls `stream_new_chat` for
steps 5 to 9. A replica that recovers the turn calls it again.
"""

from chat_service.flows import initial_thinking_step, input_state, title_gen
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import write_approval_requests
from chat_service.flows.input_state import AgentInput
from chat_service.flows.open_turn import NewTurn, OpenedSegment, OpeningThread, TurnOpener
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentIO, SegmentSuspended


async def open_new_chat(
    opener: TurnOpener, opening: OpeningThread, new_turn: NewTurn
) -> OpenedSegment:
    """Opens the turn in its thread. After the commit the caller starts the segment.

    Raises TurnInProgress or ApprovalsUndecided if the thread has an open turn, InvalidRequest or
    NoEligibleModel or ModelUnavailable for the model, ModelTextOnly for images that it can't read,
    QuotaExceeded, and NotPlain where two statements do not do. The caller rolls back.
    """
    # 1. validate and load the model
    choice = await opener.choose_model(opening, new_turn)
    # 2. the first frames: `started` and the thinking step
    opened = opener.build_segment(opening, new_turn, choice)
    # 3. the writes that overlap: turn, both messages and frames in one statement
    await opening.store(new_turn, choice, opened)
    # 4. quota
    await opening.reserve_quota(choice, opened)
    return opened


async def stream_new_chat(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    """Streams the answer and ends the segment. It begins after a burst of messages."""
    await deps.burst.wait()
    # 5. the span
    io.start_span()
    deps.agent.start_reads(segment.turn.workspace_id, segment.turn.requested_by)
    # 6. what the agent starts with
    agent_input = AgentInput(messages=await input_state.load_model_messages(deps, segment))
    message = agent_input.messages[-1]
    # 7. the title, beside the answer
    async with title_gen.search_title(deps, segment, io, input_state.text_of(message)) as title:
        # 8. the stream; another model continues it when one is rate limited, unavailable or gone
        thinking_step = initial_thinking_step.start(message.parts).step
        pending_approvals = await stream_with_recovery(
            deps, segment, io, agent_input, thinking_step
        )
        if pending_approvals:
            await write_approval_requests(deps.db, segment, io, pending_approvals)
        await title.wait()
    # 9. finalize: message, usage, state and last frames in one transaction
    await io.finalize(SegmentSuspended() if pending_approvals else SegmentCompleted())
