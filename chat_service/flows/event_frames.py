"""Agent events → frames, for every flow."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from google.protobuf import duration_pb2
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service import convert
from chat_service.persistence import approvals
from chat_service.runtime import events as agent
from chat_service.turns import limits
from chat_service.turns.segment import Segment, SegmentIO
from chat_service.turns.segment_frames import completed_step
from shared.rpc.messages.struct import to_struct


class TurnEvents:
    """Turns what the agent does into frames, for one stream of the agent.

    The step `thinking` is complete at the first thing that the agent says or does.
    """

    def __init__(self, segment: Segment, thinking: pb.Step | None) -> None:
        self._segment = segment
        self._thinking = thinking
        self._size = limits.OutputSize(segment)
        self._message = segment.agent_message_name  # once: a word is little beside it

    def of(self, event: agent.AgentEvent) -> Iterator[pb.TurnEvent]:
        """The frames of an event, to be written one by one before the next event.

        Raises ModelUnavailable when the segment says too much for one message.
        """
        match event:
            case agent.TextRetracted(from_block=block) if not self._segment.message.says_from(
                block
            ):
                return  # the replica that recovered the turn has written it
            case agent.Retrying() | agent.TextRetracted():
                pass
            case _:
                yield from self.complete_thinking()
        self._track_block(event)
        self._size.add(event)
        yield frame(self._message, event)

    def complete_thinking(self) -> Iterator[pb.TurnEvent]:
        """The end of the step, unless it has ended."""
        if self._thinking is not None and not self._segment.message.thinking_done:
            yield completed_step(self._thinking)

    def _track_block(self, event: agent.AgentEvent) -> None:
        """Keeps the block of the model call that has not ended."""
        match event:
            case agent.TextDelta() | agent.ReasoningDelta() | agent.ToolCallStarted():
                self._segment.open_block = event.block
            case agent.TextRetracted() | agent.ToolCallFinished():
                self._segment.open_block = None


async def write_approval_requests(
    db: AsyncEngine, segment: Segment, io: SegmentIO, pending: Sequence[UUID]
) -> None:
    """Writes a frame for each of the approvals that was not shown before."""
    async with db.connect() as connection:
        found = await approvals.list_by_turn(connection, segment.turn.id)
    for row in found:
        shown = convert.approval(row)
        if row.id in pending and shown.name not in segment.message.approvals:
            await io.write(pb.TurnEvent(approval_requested=pb.ApprovalRequested(approval=shown)))


def frame(message: str, event: agent.AgentEvent) -> pb.TurnEvent:
    """Returns the frame of an event of the agent's message, by its name."""
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
        case agent.Retrying(after=after, reason=reason, metadata=told):
            delay = duration_pb2.Duration()
            delay.FromTimedelta(after)
            return pb.TurnEvent(retrying=pb.Retrying(delay=delay, reason=reason, metadata=told))
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
