"""A message and its answer."""

import contextlib

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import (
    converse,
    initial_thinking_step,
    input_state,
    llm_bundle,
    runtime_context,
    title_gen,
)
from chat_service.flows.converse import Frames
from chat_service.flows.parts import Flows
from chat_service.flows.work import Work


async def stream_new_chat(flows: Flows, work: Work) -> Frames:
    """Frames of a new turn after its first two; last, how it ends."""
    bundle = llm_bundle.load(flows.models, work.turn.model_config_id)
    said = await input_state.said(flows.engine, work.turn)
    async with title_gen.titling(flows.engine, work, bundle, said) as title:
        events = flows.agent.stream(
            context=runtime_context.of(work, flows.clock.now()),
            model=bundle,
            said=said,
            disabled_tools=frozenset(work.turn.disabled_tools),
            first_block=work.fold.next_block,
        )
        thinking = initial_thinking_step.begun(said[-1].parts).step
        working = converse.frames(flows.engine, work, events, thinking)
        async with contextlib.aclosing(working):
            async for event in working:
                if not isinstance(event, pb.TurnEvent):
                    async for named in title.frames():
                        yield named
                yield event
