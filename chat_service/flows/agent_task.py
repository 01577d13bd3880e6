"""An unattended task: a turn on an internal thread, without approvals or a title."""

import contextlib
from collections.abc import AsyncGenerator

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import input_state, rate_limit_recovery, runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import FrameStream
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Segment, SegmentFailed, SegmentSuspended
from shared import errors


async def stream_agent_task(deps: FlowDeps, segment: Segment) -> FrameStream:
    """FrameStream of a task; last, how it ends. One that wants a person's approval fails."""
    said = await input_state.load_model_messages(deps, segment)

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return deps.agent.stream(
            context=runtime_context.build_context(segment, deps.clock.now()),
            model=bundle,
            said=said,
            task=runtime_context.task_limits(segment),
            first_block=segment.message.next_block,
            replay=replay,
            fresh=replay and not segment.recovered,
            meter=segment.meter,
        )

    working = rate_limit_recovery.stream_with_recovery(deps, segment, start, None)
    async with contextlib.aclosing(working):
        async for event in working:
            if isinstance(event, SegmentSuspended):
                yield SegmentFailed(errors.ApprovalNotGranted("the task wanted an approval"))
            elif not _is_request(event):
                yield event


def _is_request(event: object) -> bool:
    return isinstance(event, pb.TurnEvent) and event.WhichOneof("event") == "approval_requested"
