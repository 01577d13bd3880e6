"""The agent's work as frames: the first step is over when the work is."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import cast

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import initial_thinking_step
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.input_state import AgentInput
from chat_service.flows.rate_limit_recovery import stream_with_recovery
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import AgentEvent, Retrying, TextDelta
from chat_service.turns.segment import Segment, SegmentOutcome
from shared.clock import ManualClock
from tests.chat_service.stored_turns import store
from tests.support.system.chat import START, Chat

USED = ModelUsage(model="m", input_tokens=1, output_tokens=0, cached_tokens=0, cost_micros=0)
THINKING = initial_thinking_step.start([{"text": "hello"}]).step


class Agent:
    """Does what it is told to do."""

    def __init__(self, *events: AgentEvent) -> None:
        self.events = events

    async def stream(self, **_: object) -> AsyncGenerator[AgentEvent, None]:
        for event in self.events:
            yield event


class Frames:
    """Keeps the frames that a flow writes."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.written: list[pb.TurnEvent] = []

    def start_span(self) -> None:
        """Nothing is measured."""

    async def write(self, frame: pb.TurnEvent) -> None:
        self.segment.message.add(frame)
        self.written.append(frame)

    async def flush(self) -> bool:
        return True

    def record_first_token(self) -> None:
        """Nothing is measured."""

    def record_fallback(self, config_id: int) -> None:
        raise AssertionError("no model refused")

    async def finalize(self, outcome: SegmentOutcome) -> None:
        raise AssertionError("the flow does that")


class Loader:
    async def load_bundle(self, turn: object) -> None:
        """The agent has no model."""


async def told(segment: Segment, *events: AgentEvent) -> list[pb.TurnEvent]:
    parts = {"agent": Agent(*events), "model_loader": Loader(), "clock": ManualClock(START)}
    io = Frames(segment)
    deps = cast(FlowDeps, SimpleNamespace(**parts))
    assert await stream_with_recovery(deps, segment, io, AgentInput(), THINKING) == ()
    return io.written


@pytest.mark.parametrize(
    "events",
    [
        (USED,),
        (Retrying(after=START - START, reason="r"), USED),
        (USED, TextDelta(block=0, text="hi"), TextDelta(block=0, text="!")),
    ],
    ids=["silent", "tried again and silent", "spoken"],
)
async def test_the_first_step_is_done_once_whether_or_not_a_word_came(
    chat: Chat, events: tuple[AgentEvent, ...]
) -> None:
    (turn,) = await store(chat.engine)
    frames = await told(Segment(turn=turn), *events)
    steps = [frame.step for frame in frames if frame.HasField("step")]
    assert [(step.id, step.state) for step in steps] == [("thinking-1", pb.Step.COMPLETED)]
