"""An answer that the model's own limit cut: one more call says the rest, or it is marked."""

from typing import Any

import pytest

from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import AgentEvent, ReasoningDelta, TextRetracted
from chat_service.runtime.ports import TaskLimits
from chat_service.runtime.subagent import researcher
from shared import errors
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

HALF = [says("Half a sent"), ends("length"), DONE]
REST = [says("ence, and its end."), ends(), DONE]
WHOLE = "Half a sentence, and its end."
NOTE = "\n\n[The answer ends here: it is as long as the model's answers may be.]"
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def standing(events: list[AgentEvent]) -> str:
    """Returns the text that no retraction voids."""
    last = max((i for i, e in enumerate(events) if isinstance(e, TextRetracted)), default=-1)
    return text_of(events[last + 1 :])


@pytest.mark.parametrize("task", [None, TaskLimits()])
@pytest.mark.parametrize("reason", ["length", "max_tokens", "MODEL_LENGTH"])
async def test_it_is_one_answer_and_each_call_counts(
    bench: Bench, task: TaskLimits | None, reason: str
) -> None:
    async with scripted_model([says("Half a sent"), ends(reason), DONE], REST) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello", task=task)

    assert text_of(events, block=0) == text_of(events) == WHOLE
    used = [e for e in events if isinstance(e, ModelUsage)]
    assert [u.output_tokens for u in used] == [5, 5]
    assert len({u.call for u in used}) == 2
    said = [(m["role"], m["content"]) for m in model.asked[1]["messages"][-3:-1]]
    assert said == [("user", "hello"), ("assistant", "Half a sent")]


async def test_a_recovered_turn_says_the_whole_answer_again(bench: Bench) -> None:
    looks = [calls(call("list_automations", "{}", index=0, id="c")), ends("tool_calls"), DONE]
    async with scripted_model(looks, HALF, REST) as model:
        bench.ask_at(model.base_url)
        await bench.all("hello")
        again = await bench.all("hello", first_block=2)

    assert text_of(again) == WHOLE
    assert len(model.asked) == 3


async def test_a_subagents_answer_is_continued(bench: Bench) -> None:
    bench.subagents = [researcher()]
    asked = call("delegate", '{"subagent": "researcher", "task": "look"}', index=0, id="c")
    delegates = [calls(asked), ends("tool_calls"), DONE]
    async with scripted_model(delegates, HALF, REST, [says("Done."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert finished(events)[0].output["answer"] == WHOLE
    assert text_of(events) == "Done."


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        ([Refused(400, {"message": "No."})], ""),
        ([says(" and"), {"error": {"message": "busy"}}], " and"),
        ([says(" and")], " and"),
        ([says("  "), ends(), DONE], "  "),
        ([says(" and so"), ends("length"), DONE], " and so"),
    ],
    ids=["refused", "an error", "a break", "nothing", "cut again"],
)
async def test_it_is_marked_when_the_rest_does_not_come(bench: Bench, rest: Any, kept: str) -> None:
    async with scripted_model(HALF, rest) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert text_of(events) == f"Half a sent{kept}{NOTE}"
    assert len(model.asked) == 2


@pytest.mark.parametrize("rest", [[Refused(500, {})], HALF])
async def test_a_task_has_no_half_answer(bench: Bench, rest: Any) -> None:
    async with scripted_model(HALF, rest) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable, match="cut off"):
            await bench.task("hello", TaskLimits())

    assert len(model.asked) == 2


@pytest.mark.parametrize(
    ("rest", "answer"),
    [("2}", '{"n": 12}'), ('{"n": 12}', '{"n": 12}')],
    ids=["the rest", "all of it again"],
)
async def test_an_object_is_completed(bench: Bench, rest: str, answer: str) -> None:
    half = [says('{"n": 1'), ends("length"), DONE]
    async with scripted_model(half, [says(rest), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.task("count", TaskLimits(output_schema=NUMBER))

    assert standing(events) == answer
    assert "response_format" not in model.asked[1]
    assert "tools" not in model.asked[1]


async def test_a_thought_before_the_rest_leaves_the_first_half(bench: Bench) -> None:
    rest = [says("On with it.\n</think>\nence, and its end."), ends(), DONE]
    async with scripted_model(HALF, rest) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert standing(events) == WHOLE
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == "On with it.\n"


async def test_a_thought_before_the_rest_that_was_shown_is_retracted(bench: Bench) -> None:
    rest = [says("On with"), says(" it.\n</think>\nence, and its end."), ends(), DONE]
    async with scripted_model(HALF, rest) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert standing(events) == WHOLE


async def test_a_budget_that_leaves_nothing_is_not_exceeded(bench: Bench) -> None:
    async with scripted_model(HALF) as model:
        bench.ask_at(model.base_url)
        priced = bench.model(input_price=1_000, output_price=1_000_000)
        with pytest.raises(errors.ModelUnavailable, match="cut off"):
            # `ends` tells of 5 tokens said
            await bench.task("hello", TaskLimits(budget_micros=7), model=priced)

    assert len(model.asked) == 1


async def test_a_full_context_window_is_not_asked_for_more(bench: Bench) -> None:
    full = {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990}
    half = [says("Half a sent"), {**ends("length"), "usage": full}, DONE]
    async with scripted_model(half) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello", model=bench.model(context_tokens=1_000))

    assert text_of(events) == f"Half a sent{NOTE}"
    assert len(model.asked) == 1
