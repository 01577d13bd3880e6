"""The choice of a segment's flow."""

from chat_service.flows.agent_task import stream_agent_task
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.new_chat import stream_new_chat
from chat_service.flows.resume_chat import stream_resume_chat
from chat_service.turns.segment import FlowKind, Segment, SegmentIO


async def run_segment(deps: FlowDeps, segment: Segment, io: SegmentIO) -> None:
    match segment.flow:
        case FlowKind.NEW_CHAT:
            await stream_new_chat(deps, segment, io)
        case FlowKind.RESUME_CHAT:
            await stream_resume_chat(deps, segment, io)
        case FlowKind.AGENT_TASK:
            await stream_agent_task(deps, segment, io)
