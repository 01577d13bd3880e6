"""A new chat in nine steps: a message opens a turn, the agent answers, the turn ends.

`open_new_chat` takes steps 1 to 4 in one transaction. For a message that needs no transaction,
`TurnOpener.open_plain` takes steps 1 to 3 in two statements; `api/turns.py` tries that first. After
the commit the turn engine calls `stream_new_chat` for steps 5 to 9. A replica that recovers the
turn calls it again.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.flows import initial_thinking_step, input_state, title_gen
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import write_approval_requests
from chat_service.flows.input_state import AgentInput
from chat_service.flows.open_turn import NewTurn, OpenedSegment, TurnOpener
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentIO, SegmentSuspended


async def open_new_chat(
    opener: TurnOpener, connection: AsyncConnection, new_turn: NewTurn
) -> OpenedSegment:
    """Opens the turn in the caller's transaction. After the commit the caller starts the segment.

    Raises ResourceNotFound for the thread, TurnInProgress or ApprovalsUndecided if it has an open
    turn, InvalidRequest or NoEligibleModel for the model, ModelTextOnly for images that it can't
    read, and QuotaExceeded. The caller rolls back.
    """
    thread = await opener.lock_or_create_thread(connection, new_turn)
    # 1. validate and load the model
    choice = await opener.choose_model(connection, new_turn, thread)
    # 2. the first frames: `started` and the thinking step
    opened = opener.build_segment(new_turn, thread, choice)
    # 3. the writes that overlap: turn, both messages and frames in one statement
    await opener.store_turn(connection, new_turn, thread, choice, opened)
    # 4. quota
    await opener.reserve_quota(connection, opened, choice)
    return opened


async def stream_new_chat(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    """Streams the answer and ends the segment."""
    # 5. the span
    io.start_span()
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
