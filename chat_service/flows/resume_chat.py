"""A turn that goes on after its approvals were decided."""

import contextlib

from chat_service.flows import converse, input_state, llm_bundle, runtime_context
from chat_service.flows.converse import Frames
from chat_service.flows.parts import Flows
from chat_service.flows.work import Work
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState


async def stream_resume_chat(flows: Flows, work: Work) -> Frames:
    """Frames of a later segment after its first ones; last, how it ends."""
    bundle = llm_bundle.load(flows.models, work.turn.model_config_id)
    said = await input_state.said(flows.engine, work.turn)
    async with flows.engine.connect() as connection:
        decided = [
            approval.id
            for approval in await approvals.of_turn(connection, work.turn.id)
            if approval.state is not ApprovalState.PENDING
        ]
    events = flows.agent.stream(
        context=runtime_context.of(work, flows.clock.now()),
        model=bundle,
        said=said,
        resume=decided,
        disabled_tools=frozenset(work.turn.disabled_tools),
        first_block=work.fold.next_block,
    )
    working = converse.frames(flows.engine, work, events, None)
    async with contextlib.aclosing(working):
        async for event in working:
            yield event
