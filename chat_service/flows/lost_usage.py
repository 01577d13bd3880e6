"""A turn that is taken over: what its dead owner's model calls used."""

from uuid import UUID

from chat_service.flows import runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.llm.metering import estimate_tokens, estimate_usage
from chat_service.llm.usage import ModelUsage
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turn_recovery import AbandonedSegment
from chat_service.turns.segment import Segment
from shared import errors, resources
from shared.telemetry import logs

log = logs.logger(__name__)


async def estimate_lost_usage(
    deps: FlowDeps, segment: Segment, left: AbandonedSegment
) -> list[ModelUsage] | None:
    """Counts the calls that ended as their checkpoint tells, and estimates the one cut off.

    The first are told again when the turn goes on, and counted once. The other is known by what
    it had streamed, of which no checkpoint knows: it is the answer, to be written down before
    anything is retracted, since nobody could tell it later. One that had streamed nothing is not
    known at all. None: the turn's model is not there any more, and so is no price.
    """
    streamed = segment.message.sizes()  # by each call that was not retracted, in order
    if not left.checkpointed and not streamed:
        return []
    try:
        bundle = await deps.model_loader.load_bundle(segment.turn)
    except (errors.ModelGone, errors.EncryptionUnavailable):
        return None
    known = await deps.agent.read_usage(
        context=runtime_context.build_context(segment, deps.clock.now()),
        model=bundle,
        resume=await _decided(deps, segment),
        task=runtime_context.task_limits(segment),
        checkpointed=left.checkpointed,
    )
    for used in known.used:
        segment.count_usage(used)
    read = known.prompt_tokens
    if not left.checkpointed:
        read += min(estimate_tokens(left.said_bytes), bundle.config.context_tokens // 2)
    cut = [
        estimate_usage(
            bundle.config,
            input_tokens=read,
            output_tokens=estimate_tokens(size),
            call=str(resources.new_id()),
        )
        for size in streamed[known.answers :]
    ]
    for used in cut:
        log.info("lost_call_estimated", turn=segment.turn_name, output_tokens=used.output_tokens)
    return cut


async def _decided(deps: FlowDeps, segment: Segment) -> list[UUID]:
    if not segment.resumed:
        return []
    async with deps.db.connect() as connection:
        rows = await approvals.list_by_turn(connection, segment.turn.id)
    return [row.id for row in rows if row.state is not ApprovalState.PENDING]
