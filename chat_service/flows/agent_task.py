"""An unattended task: a turn on an internal thread, without approvals or a title."""

import contextlib

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import converse, input_state, llm_bundle, runtime_context
from chat_service.flows.converse import Frames
from chat_service.flows.parts import Flows
from chat_service.flows.work import Failed, Suspended, Work
from shared import errors


async def stream_agent_task(flows: Flows, work: Work) -> Frames:
    """Frames of a task; last, how it ends. One that wants a person's approval fails."""
    bundle = llm_bundle.load(flows.models, work.turn.model_config_id)
    said = await input_state.said(flows.engine, work.turn)
    events = flows.agent.stream(
        context=runtime_context.of(work, flows.clock.now()),
        model=bundle,
        said=said,
        task=runtime_context.limits(work),
        first_block=work.fold.next_block,
    )
    working = converse.frames(flows.engine, work, events, None)
    async with contextlib.aclosing(working):
        async for event in working:
            if isinstance(event, Suspended):
                yield Failed(errors.ApprovalNotGranted("the task wanted an approval"))
            elif not _is_request(event):
                yield event


def _is_request(event: object) -> bool:
    return isinstance(event, pb.TurnEvent) and event.WhichOneof("event") == "approval_requested"
