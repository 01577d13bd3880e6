"""An unattended task: a turn on an internal thread, without approvals or a title."""

import contextlib
from collections.abc import AsyncGenerator

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import input_state, rate_limit_recovery, runtime_context
from chat_service.flows.dependencies import Flows
from chat_service.flows.event_frames import Frames
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Failed, Suspended, Work
from shared import errors


async def stream_agent_task(flows: Flows, work: Work) -> Frames:
    """Frames of a task; last, how it ends. One that wants a person's approval fails."""
    said = await input_state.said(flows, work)

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return flows.agent.stream(
            context=runtime_context.of(work, flows.clock.now()),
            model=bundle,
            said=said,
            task=runtime_context.limits(work),
            first_block=work.fold.next_block,
            replay=replay,
            fresh=replay and not work.recovered,
            meter=work.meter,
        )

    working = rate_limit_recovery.frames(flows, work, start, None)
    async with contextlib.aclosing(working):
        async for event in working:
            if isinstance(event, Suspended):
                yield Failed(errors.ApprovalNotGranted("the task wanted an approval"))
            elif not _is_request(event):
                yield event


def _is_request(event: object) -> bool:
    return isinstance(event, pb.TurnEvent) and event.WhichOneof("event") == "approval_requested"
