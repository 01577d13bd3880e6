"""The token usage that a dead replica's model calls left uncounted."""

from uuid import UUID

from chat_service.flows import runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.llm.metering import estimate_usage
from chat_service.llm.usage import ModelUsage, estimate_tokens
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
    """Counts the calls that ended, from their checkpoint, and estimates the one that was cut off.

    The stream of the recovered turn reports the ended calls again; each counts once. Only the
    stored frames show the call that was cut off, so the caller stores the returned usage before
    it retracts them. A call that had streamed nothing is not counted. None: the turn's model is
    gone, and its price with it.
    """
    streamed = segment.message.sizes()  # by model call that was not retracted, in order
    if not left.checkpointed and not streamed:
        return []
    try:
        bundle = await deps.model_loader.load_bundle(segment.turn)
    except (errors.ModelGone, errors.EncryptionUnavailable):
        return None
    known = await deps.agent.read_usage(
        context=runtime_context.build_context(segment, deps.clock.now()),
        model=bundle,
        decided_approvals=await _decided(deps, segment),
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
