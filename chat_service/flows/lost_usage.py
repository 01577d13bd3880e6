"""A turn that is taken over: what its dead owner's model calls used."""

from uuid import UUID

from chat_service.flows import runtime_context
from chat_service.flows.dependencies import Flows
from chat_service.llm.metering import estimate_tokens, estimate_usage
from chat_service.llm.usage import ModelUsage
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from chat_service.persistence.turn_recovery import AbandonedSegment
from chat_service.turns.segment import Work
from shared import errors, resources
from shared.telemetry import logs

log = logs.logger(__name__)


async def reckon(flows: Flows, work: Work, left: AbandonedSegment) -> list[ModelUsage] | None:
    """Counts the calls that ended as their checkpoint tells, and estimates the one cut off.

    The first are told again when the turn goes on, and counted once. The other is known by what
    it had streamed, of which no checkpoint knows: it is the answer, to be written down before
    anything is retracted, since nobody could tell it later. One that had streamed nothing is not
    known at all. None: the turn's model is not there any more, and so is no price.
    """
    streamed = work.fold.sizes()  # by each call that was not retracted, in order
    if not left.checkpointed and not streamed:
        return []
    try:
        bundle = await flows.model_loader.load_bundle(work.turn)
    except (errors.ModelGone, errors.EncryptionUnavailable):
        return None
    known = await flows.agent.left_behind(
        context=runtime_context.of(work, flows.clock.now()),
        model=bundle,
        resume=await _decided(flows, work),
        task=runtime_context.limits(work),
        checkpointed=left.checkpointed,
    )
    for used in known.used:
        work.account(used)
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
        log.info("lost_call_estimated", turn=work.name, output_tokens=used.output_tokens)
    return cut


async def _decided(flows: Flows, work: Work) -> list[UUID]:
    if not work.resumed:
        return []
    async with flows.engine.connect() as connection:
        rows = await approvals.list_by_turn(connection, work.turn.id)
    return [row.id for row in rows if row.state is not ApprovalState.PENDING]
