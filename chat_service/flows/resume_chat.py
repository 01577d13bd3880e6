"""A turn that goes on after its approvals were decided."""

import contextlib
from collections.abc import AsyncGenerator

from chat_service.flows import rate_limit_recovery, runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import FrameStream
from chat_service.llm.config import ModelBundle
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Segment


async def stream_resume_chat(deps: FlowDeps, segment: Segment) -> FrameStream:
    """FrameStream of a later segment after its first ones; last, how it ends."""
    async with deps.db.connect() as connection:
        decided = [
            approval.id
            for approval in await approvals.list_by_turn(connection, segment.turn.id)
            if approval.state is not ApprovalState.PENDING
        ]

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return deps.agent.stream(
            context=runtime_context.build_context(segment, deps.clock.now()),
            model=bundle,
            said=(),  # what was said is in the checkpoint
            resume=decided,
            disabled_tools=frozenset(segment.turn.disabled_tools),
            first_block=segment.message.next_block,
            replay=replay,
            meter=segment.meter,
        )

    working = rate_limit_recovery.stream_with_recovery(deps, segment, start, None)
    async with contextlib.aclosing(working):
        async for event in working:
            yield event
