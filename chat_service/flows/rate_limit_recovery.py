"""The agent's stream; another model continues when one is rate limited, unavailable or gone."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import runtime_context
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.event_frames import TurnEvents
from chat_service.flows.input_state import AgentInput
from chat_service.llm import usage
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.errors import ACCOUNT, BAD_OUTPUT, RATE_LIMITED, TOLD
from chat_service.persistence import model_cooldowns, turns
from chat_service.runtime import events as agent
from chat_service.runtime.ports import StartMode
from chat_service.turns import accounting
from chat_service.turns.segment import Segment, SegmentIO
from shared import errors
from shared.db import database
from shared.telemetry import logs

COOLDOWN: Final = timedelta(seconds=600)

log = logs.logger(__name__)

_Refusal = errors.ModelRateLimited | errors.ModelUnavailable | errors.ModelGone


async def stream_with_recovery(
    deps: FlowDeps,
    segment: Segment,
    io: SegmentIO,
    agent_input: AgentInput,
    thinking_step: pb.Step | None = None,
) -> Sequence[UUID]:
    """Writes what the agent does. Returns the approvals that it waits for; none: it is done.

    A model that refuses is replaced by another one where the choice was left open, each model
    once. Raises the refusal when there is no other.
    """
    tried: list[int] = []
    mode = segment.mode
    while True:
        try:
            bundle = await deps.model_loader.load_bundle(segment.turn)
            return await _stream(deps, segment, io, agent_input, thinking_step, bundle, mode)
        except (errors.ModelRateLimited, errors.ModelUnavailable, errors.ModelGone) as error:
            if not segment.turn.model_auto or BAD_OUTPUT in error.metadata:
                raise
            tried.append(segment.turn.model_config_id)
            found = await _choose_fallback(deps, segment, error, tried)
            if found is None:
                raise
            if not isinstance(error, errors.ModelGone):  # which has said nothing
                mode = StartMode.RETRY_OTHER_MODEL
            for frame in _fallback_frames(segment, found, error):
                await io.write(frame)
            if not await _switch_model(deps, segment, io, found):
                raise


async def _stream(
    deps: FlowDeps,
    segment: Segment,
    io: SegmentIO,
    agent_input: AgentInput,
    thinking_step: pb.Step | None,
    bundle: ModelBundle,
    mode: StartMode,
) -> Sequence[UUID]:
    """Writes what the agent does with one model."""
    pending: Sequence[UUID] = ()
    frames = TurnEvents(segment, thinking_step)
    async with contextlib.aclosing(
        _agent_events(deps, segment, agent_input, bundle, mode)
    ) as events:
        async for event in events:
            match event:
                case usage.UncheckpointedUsage():
                    await accounting.record_usage(deps.db, segment, event)
                case usage.ModelUsage():
                    segment.count_usage(event)
                case agent.RunPaused(approvals=pending):
                    pass
                case _:
                    if isinstance(event, agent.TextDelta):
                        io.record_first_token()
                    for frame in frames.of(event):
                        await io.write(frame)
    for frame in frames.complete_thinking():  # the agent had nothing to say
        await io.write(frame)
    return pending


def _agent_events(
    deps: FlowDeps, segment: Segment, agent_input: AgentInput, bundle: ModelBundle, mode: StartMode
) -> AsyncGenerator[agent.AgentEvent, None]:
    return deps.agent.stream(
        context=runtime_context.build_context(segment, deps.clock.now()),
        model=bundle,
        messages=agent_input.messages,
        decided_approvals=agent_input.decided,
        task=agent_input.task,
        disabled_tools=frozenset(segment.turn.disabled_tools),
        first_block=segment.message.next_block,
        mode=mode,
        meter=segment.meter,
    )


async def _choose_fallback(
    deps: FlowDeps, segment: Segment, error: _Refusal, tried: list[int]
) -> ModelConfig | None:
    """The model that goes on, with its credit reserved; None when there is none."""
    async with database.transaction(deps.db) as connection:
        try:
            found = await deps.auto_pin.choose_fallback(connection, segment.turn, tried)
            await deps.quota.reserve(connection, segment.turn, found)
        except (errors.NoEligibleModel, errors.ModelUnavailable, errors.QuotaExceeded):
            # The last one is not cooled down: that would refuse everybody's next turn too.
            return None
        if isinstance(error, errors.ModelRateLimited) or ACCOUNT in error.metadata:
            wait = max(COOLDOWN, error.retry_after or COOLDOWN)
            await model_cooldowns.extend(
                connection, segment.turn.model_config_id, deps.clock.now() + wait
            )
    return found


async def _switch_model(
    deps: FlowDeps, segment: Segment, io: SegmentIO, found: ModelConfig
) -> bool:
    """Has the turn go on with the model, whoever owns it; False when somebody else does by now.

    The frame comes first: whoever takes over either knows of it or reroutes again.
    """
    if not await io.flush():
        return False
    async with database.transaction(deps.db) as connection:
        kept = await turns.switch_model(connection, segment.turn.id, segment.turn.fence, found.id)
    segment.turn = replace(segment.turn, model_config_id=found.id)
    segment.rerouted = True
    io.record_fallback(found.id)
    return kept


def _fallback_frames(segment: Segment, found: ModelConfig, error: _Refusal) -> list[pb.TurnEvent]:
    was = segment.turn.model_config_id
    log.info("turn_rerouted", turn=segment.turn_name, was=was, now_is=found.id, reason=error.reason)
    events = []
    if segment.open_block is not None:
        retracted = pb.TextRetracted(
            message=segment.agent_message_name, from_block=segment.open_block
        )
        events.append(pb.TurnEvent(text_retracted=retracted))
        segment.open_block = None
    told = {name: error.metadata[name] for name in TOLD if name in error.metadata}
    events.append(rerouted_frame(was, found.id, _why(error), told))
    return events


def rerouted_frame(
    was: int, now_is: int, reason: str, metadata: Mapping[str, str] | None = None
) -> pb.TurnEvent:
    rerouted = pb.ModelRerouted(
        previous_model_config_id=was, model_config_id=now_is, reason=reason, metadata=metadata
    )
    return pb.TurnEvent(model_rerouted=rerouted)


def _why(error: _Refusal) -> str:
    match error:
        case errors.ModelRateLimited():
            return RATE_LIMITED
        case errors.ModelGone():
            return "the model is no longer configured"
    return error.message
