"""A message and its answer."""

import contextlib
from collections.abc import AsyncGenerator

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import (
    initial_thinking_step,
    input_state,
    rate_limit_recovery,
    runtime_context,
    title_gen,
)
from chat_service.flows.dependencies import Flows
from chat_service.flows.event_frames import Frames
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Work


async def stream_new_chat(flows: Flows, work: Work) -> Frames:
    """Frames of a new turn after its first two; last, how it ends."""
    said = await input_state.said(flows, work)

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return flows.agent.stream(
            context=runtime_context.of(work, flows.clock.now()),
            model=bundle,
            said=said,
            disabled_tools=frozenset(work.turn.disabled_tools),
            first_block=work.fold.next_block,
            replay=replay,
            fresh=replay and not work.recovered,
            meter=work.meter,
        )

    async with title_gen.titling(flows, work, said) as title:
        thinking = initial_thinking_step.begun(said[-1].parts).step
        working = rate_limit_recovery.frames(flows, work, start, thinking)
        async with contextlib.aclosing(working):
            async for event in working:
                if not isinstance(event, pb.TurnEvent):
                    await title.awaited()
                yield event
