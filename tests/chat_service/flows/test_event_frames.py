"""The agent's work as frames: the first step is over when the work is."""

from collections.abc import AsyncGenerator
from typing import cast

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import event_frames, initial_thinking_step
from chat_service.flows.dependencies import FlowDeps
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import AgentEvent, Retrying, TextDelta
from chat_service.turns.segment import Segment, SegmentCompleted
from tests.chat_service.stored_turns import store
from tests.support.chat import START, Chat

USED = ModelUsage(model="m", input_tokens=1, output_tokens=0, cached_tokens=0, cost_micros=0)
THINKING = initial_thinking_step.start([{"text": "hello"}]).step


async def told(segment: Segment, *events: AgentEvent) -> list[pb.TurnEvent]:
    async def working() -> AsyncGenerator[AgentEvent, None]:
        for event in events:
            yield event

    frames = []
    nothing_of_it = cast(FlowDeps, None)
    async for frame in event_frames.frames(nothing_of_it, segment, working(), THINKING):
        if isinstance(frame, pb.TurnEvent):
            segment.message.add(frame)
            frames.append(frame)
        else:
            assert frame == SegmentCompleted()
    return frames


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
