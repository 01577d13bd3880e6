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
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import FrameStream
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Segment


async def stream_new_chat(deps: FlowDeps, segment: Segment) -> FrameStream:
    """FrameStream of a new turn after its first two; last, how it ends."""
    said = await input_state.load_model_messages(deps, segment)

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return deps.agent.stream(
            context=runtime_context.build_context(segment, deps.clock.now()),
            model=bundle,
            said=said,
            disabled_tools=frozenset(segment.turn.disabled_tools),
            first_block=segment.message.next_block,
            replay=replay,
            fresh=replay and not segment.recovered,
            meter=segment.meter,
        )

    async with title_gen.search_title(deps, segment, said) as title:
        thinking = initial_thinking_step.start(said[-1].parts).step
        working = rate_limit_recovery.stream_with_recovery(deps, segment, start, thinking)
        async with contextlib.aclosing(working):
            async for event in working:
                if not isinstance(event, pb.TurnEvent):
                    await title.awaited()
                yield event
