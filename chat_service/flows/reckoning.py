"""A turn that is taken over: what its dead owner's model calls used is counted."""

from collections.abc import Sequence
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.events import ModelUsed
from chat_service.agent.meter import estimate, tokens_of
from chat_service.flows import accounts, runtime_context
from chat_service.flows.parts import Flows
from chat_service.flows.work import Fold, Work
from chat_service.persistence import approvals
from chat_service.persistence.enums import ApprovalState
from shared import database, errors, resources, telemetry

log = telemetry.logger(__name__)


async def reckon(flows: Flows, work: Work, stored: Sequence[bytes]) -> None:
    """Counts calls that ended as their checkpoint tells, and the one that was cut off by estimate.

    The first are told again when the turn goes on, and counted once. The other is known by what
    it had streamed, of which no checkpoint knows; it is written down at once, since nobody could
    tell it later. One that had streamed nothing is not known at all.
    """
    try:
        decided = await _decided(flows, work)
        bundle = await flows.bundles.load(work.turn)
    except (errors.ModelGone, errors.EncryptionUnavailable):
        return
    left = await flows.agent.left_behind(
        context=runtime_context.of(work, flows.clock.now()),
        model=bundle,
        resume=decided,
        task=runtime_context.limits(work),
    )
    for used in left.used:
        work.account(used)
    for size in _streamed(stored)[left.answers :]:
        cut = estimate(
            bundle.config,
            input_tokens=left.prompt_tokens,
            output_tokens=tokens_of(size),
            call=str(resources.new_id()),
        )
        await _write_down(flows, work, cut)


async def _write_down(flows: Flows, work: Work, cut: ModelUsed) -> None:
    log.info("lost_call_estimated", turn=work.name, output_tokens=cut.output_tokens)
    async with database.transaction(flows.engine) as connection:
        await accounts.add(connection, work.turn, cut)


async def _decided(flows: Flows, work: Work) -> list[UUID]:
    if not work.resumed:
        return []
    async with flows.engine.connect() as connection:
        rows = await approvals.of_turn(connection, work.turn.id)
    return [row.id for row in rows if row.state is not ApprovalState.PENDING]


def _streamed(stored: Sequence[bytes]) -> list[int]:
    """Bytes of what each model call streamed that was not retracted, in order."""
    fold = Fold()
    for frame in stored:
        fold.add(pb.TurnEvent.FromString(frame))
    return fold.sizes()
