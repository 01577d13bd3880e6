"""A model that refuses in the middle: another one goes on, where the choice was left open."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import event_frames
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import FrameStream
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.errors import BAD_OUTPUT
from chat_service.persistence import model_cooldowns, turns
from chat_service.runtime.events import AgentEvent
from chat_service.turns.segment import Segment
from shared import errors
from shared.db import database
from shared.telemetry import logs

COOLDOWN: Final = timedelta(seconds=600)

# Starts the agent with a model; whether it tells anew what its checkpoint holds.
Start = Callable[[ModelBundle, bool], AsyncGenerator[AgentEvent, None]]

log = logs.logger(__name__)

_Refusal = errors.ModelRateLimited | errors.ModelUnavailable | errors.ModelGone


async def stream_with_recovery(
    deps: FlowDeps, segment: Segment, start: Start, thinking: pb.Step | None
) -> FrameStream:
    """What the agent does, with as many models as it takes, each of them once."""
    tried: list[int] = []
    replay = True
    while True:
        try:
            bundle = await deps.model_loader.load_bundle(segment.turn)
            working = event_frames.frames(deps, segment, start(bundle, replay), thinking)
            async with contextlib.aclosing(working):
                async for event in working:
                    yield event
            return
        except (errors.ModelRateLimited, errors.ModelUnavailable, errors.ModelGone) as error:
            if not segment.turn.model_auto or BAD_OUTPUT in error.metadata:
                raise
            tried.append(segment.turn.model_config_id)
            found = await _another(deps, segment, error, tried)
            if found is None:
                raise
            # A model that is gone has told nothing yet.
            replay = replay and isinstance(error, errors.ModelGone)
            for event in _told(segment, found, error):
                yield event
            if not await _kept(deps, segment, found):
                raise


async def _another(
    deps: FlowDeps, segment: Segment, error: _Refusal, tried: list[int]
) -> ModelConfig | None:
    """The model that goes on, with the credit for it; None when there is none."""
    async with database.transaction(deps.db) as connection:
        try:
            found = await deps.auto_pin.choose_fallback(connection, segment.turn, tried)
            await deps.quota.reserve(connection, segment.turn, found)
        except (errors.NoEligibleModel, errors.QuotaExceeded):
            # The last one is not cooled down: that would refuse everybody's next turn too.
            return None
        if isinstance(error, errors.ModelRateLimited):
            wait = max(COOLDOWN, error.retry_after or COOLDOWN)
            await model_cooldowns.extend(
                connection, segment.turn.model_config_id, deps.clock.now() + wait
            )
    return found


async def _kept(deps: FlowDeps, segment: Segment, found: ModelConfig) -> bool:
    """Has the turn go on with the model, whoever owns it; False when somebody else does by now.

    The frame comes first: whoever takes over either knows of it or reroutes again.
    """
    if not await segment.stored():
        return False
    async with database.transaction(deps.db) as connection:
        kept = await turns.switch_model(connection, segment.turn.id, segment.turn.fence, found.id)
    segment.turn = replace(segment.turn, model_config_id=found.id)
    segment.rerouted = True
    segment.switched(found.id)
    return kept


def _told(segment: Segment, found: ModelConfig, error: _Refusal) -> list[pb.TurnEvent]:
    was = segment.turn.model_config_id
    log.info("turn_rerouted", turn=segment.turn_name, was=was, now_is=found.id, reason=error.reason)
    events = []
    if segment.open_block is not None:
        retracted = pb.TextRetracted(
            message=segment.agent_message_name, from_block=segment.open_block
        )
        events.append(pb.TurnEvent(text_retracted=retracted))
        segment.open_block = None
    events.append(rerouted_frame(was, found.id, _why(error)))
    return events


def rerouted_frame(was: int, now_is: int, reason: str) -> pb.TurnEvent:
    return pb.TurnEvent(model_rerouted=pb.ModelRerouted(**{"from": was}, to=now_is, reason=reason))


def _why(error: _Refusal) -> str:
    match error:
        case errors.ModelRateLimited():
            return "the model is rate limited"
        case errors.ModelGone():
            return "the model is no longer configured"
    return "the model did not answer"
