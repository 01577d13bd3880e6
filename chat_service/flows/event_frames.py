"""The agent's work as frames, shared by every flow."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from google.protobuf import duration_pb2
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service import convert
from chat_service.flows import initial_thinking_step
from chat_service.flows.dependencies import FlowDeps
from chat_service.llm import usage
from chat_service.persistence import approvals
from chat_service.runtime import events as agent
from chat_service.turns import accounting, limits
from chat_service.turns.segment import Segment, SegmentCompleted, SegmentOutcome, SegmentSuspended
from shared.rpc.struct import to_struct

FrameStream = AsyncGenerator[pb.TurnEvent | SegmentOutcome, None]


async def frames(
    deps: FlowDeps,
    segment: Segment,
    events: AsyncGenerator[agent.AgentEvent, None],
    thinking: pb.Step | None,
) -> FrameStream:
    """Frames for what the agent does; last, whether it completed or was suspended.

    The step `thinking` is done at the first thing the agent says or does.
    """
    paused: Sequence[UUID] = ()
    saying = limits.OutputSize(segment)
    async with contextlib.aclosing(events):
        async for event in events:
            match event:
                case usage.UncheckpointedUsage():
                    await accounting.record_usage(deps.db, segment, event)
                    continue
                case usage.ModelUsage():
                    segment.count_usage(event)
                    continue
                case agent.Paused(approvals=paused):
                    continue
                case agent.TextRetracted(from_block=from_block) if not segment.message.says_from(
                    from_block
                ):
                    continue  # a turn that was taken over has told so before
                case agent.Retrying() | agent.TextRetracted():
                    pass
                case _ if thinking is not None and not segment.message.thinking_done:
                    yield initial_thinking_step.complete(thinking)
            _follow(segment, event)
            saying.add(event)
            yield frame(segment, event)
    if thinking is not None and not segment.message.thinking_done:  # it had nothing to say
        yield initial_thinking_step.complete(thinking)
    if paused:
        async for asked in _requests(deps.db, segment, paused):
            yield asked
        yield SegmentSuspended()
    else:
        yield SegmentCompleted()


def _follow(segment: Segment, event: agent.AgentEvent) -> None:
    """Keeps in mind what a model call has streamed that has not ended."""
    match event:
        case agent.TextDelta():
            segment.open_block = event.block
            segment.spoke()
        case agent.ReasoningDelta() | agent.ToolCallStarted():
            segment.open_block = event.block
        case agent.TextRetracted() | agent.ToolCallFinished():
            segment.open_block = None


def frame(segment: Segment, event: agent.AgentEvent) -> pb.TurnEvent:
    message = segment.agent_message_name
    match event:
        case agent.TextDelta(block=block, text=text):
            return pb.TurnEvent(text_delta=pb.TextDelta(message=message, block=block, text=text))
        case agent.ReasoningDelta(block=block, text=text):
            delta = pb.ReasoningDelta(message=message, block=block, text=text)
            return pb.TurnEvent(reasoning_delta=delta)
        case agent.ToolCallStarted(block=block, tool_call_id=call, tool=tool):
            began = pb.ToolCallStarted(message=message, block=block, tool_call_id=call, tool=tool)
            return pb.TurnEvent(tool_call_started=began)
        case agent.ToolCallArgs(tool_call_id=call, json=text):
            piece = pb.ToolCallArgsDelta(tool_call_id=call, json=text)
            return pb.TurnEvent(tool_call_args_delta=piece)
        case agent.ToolCallFinished():
            return pb.TurnEvent(tool_call_finished=_finished(event))
        case agent.StepChanged():
            return pb.TurnEvent(step=_step(event))
        case agent.Retrying(after=after, reason=reason):
            delay = duration_pb2.Duration()
            delay.FromTimedelta(after)
            return pb.TurnEvent(retrying=pb.Retrying(after=delay, reason=reason))
        case agent.TextRetracted(from_block=from_block):
            retracted = pb.TextRetracted(message=message, from_block=from_block)
            return pb.TurnEvent(text_retracted=retracted)
    raise AssertionError(f"no frame for {type(event).__name__}")


def _finished(event: agent.ToolCallFinished) -> pb.ToolCallFinished:
    return pb.ToolCallFinished(
        tool_call_id=event.tool_call_id,
        outcome=pb.ToolCallFinished.OK if event.ok else pb.ToolCallFinished.ERROR,
        output=to_struct(event.output),
        resource=event.resource,
    )


def _step(event: agent.StepChanged) -> pb.Step:
    state = pb.Step.COMPLETED if event.done else pb.Step.IN_PROGRESS
    return pb.Step(id=event.id, title=event.title, items=event.items, state=state)


async def _requests(
    db: AsyncEngine, segment: Segment, paused: Sequence[UUID]
) -> AsyncGenerator[pb.TurnEvent, None]:
    """A frame for each approval that waits and was not shown before."""
    async with db.connect() as connection:
        found = await approvals.list_by_turn(connection, segment.turn.id)
    for row in found:
        shown = convert.approval(row)
        if row.id in paused and shown.name not in segment.message.approvals:
            yield pb.TurnEvent(approval_requested=pb.ApprovalRequested(approval=shown))
