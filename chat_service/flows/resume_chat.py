"""A turn that goes on after its approvals were decided."""

import contextlib
from collections.abc import AsyncGenerator

from chat_service.flows import rate_limit_recovery, runtime_context
from chat_service.flows.dependencies import Flows
from chat_service.flows.event_frames import Frames
from chat_service.llm.config import ModelBundle
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Work


async def stream_resume_chat(flows: Flows, work: Work) -> Frames:
    """Frames of a later segment after its first ones; last, how it ends."""
    async with flows.engine.connect() as connection:
        decided = [
            approval.id
            for approval in await approvals.list_by_turn(connection, work.turn.id)
            if approval.state is not ApprovalState.PENDING
        ]

    def start(bundle: ModelBundle, replay: bool) -> AsyncGenerator[AgentEvent, None]:
        return flows.agent.stream(
            context=runtime_context.of(work, flows.clock.now()),
            model=bundle,
            said=(),  # what was said is in the checkpoint
            resume=decided,
            disabled_tools=frozenset(work.turn.disabled_tools),
            first_block=work.fold.next_block,
            replay=replay,
            meter=work.meter,
        )

    working = rate_limit_recovery.frames(flows, work, start, None)
    async with contextlib.aclosing(working):
        async for event in working:
            yield event
