"""A task: its tools, its output and its bounds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chat_service.agent.structured_output import read_output
from chat_service.llm.config import ModelBundle
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import TextRetracted
from chat_service.runtime.ports import TaskLimits
from chat_service.runtime.run_context import AgentRun, RunContext
from chat_service.tools.approval import Proposal, ToolCall, request_approval
from chat_service.tools.capabilities.register import register_capabilities
from shared import errors
from shared.clock import ManualClock
from shared.registries.capabilities.store import capabilities
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
    "required": ["city"],
}


@pytest.fixture(autouse=True)
def _capabilities() -> Iterator[None]:
    before = capabilities.all()
    register_capabilities(capabilities, ManualClock(NOW))
    register_capabilities(capabilities, ManualClock(NOW))
    yield
    capabilities.clear()
    for entry in before.values():
        capabilities.register(entry)


async def test_a_task_uses_the_capability_it_is_given(bench: Bench) -> None:
    events = await bench.task("what time is it?", TaskLimits(tools=("now",)))

    (result,) = finished(events)
    assert result.ok
    assert result.output == {
        "now": "2026-11-22T16:00:00Z",
        "local": "2026-11-22T16:00:00+00:00",
        "weekday": "Sunday",
    }
    assert "2026-11-22T16:00:00Z" in text_of(events)
    assert bench.demo.controls.log()[0].tools == ["now"]


async def test_a_tool_that_has_vanished_fails_the_task(bench: Bench) -> None:
    with pytest.raises(errors.CapabilityGone) as caught:
        await bench.task("do it", TaskLimits(tools=("teleport",)))

    assert caught.value.metadata == {"capability": "teleport"}


async def test_a_capability_that_breaks_becomes_an_answer(bench: Bench) -> None:
    async def handler(arguments: dict[str, Any]) -> object:
        raise RuntimeError("the secret")

    capabilities.register(
        Capability(
            id="broken",
            description="breaks",
            input_schema={"type": "object"},
            output_schema={},
            handler=handler,
        )
    )
    calls = '<<calls=[{"name":"broken","args":{}}]>>'

    events = await bench.task(f"go {calls}", TaskLimits(tools=("broken",)))

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert "secret" not in str(events)


async def test_arguments_that_break_a_schema_never_reach_the_handler(bench: Bench) -> None:
    calls = '<<calls=[{"name":"now","args":{"place":"here"}}]>>'

    events = await bench.task(f"go {calls}", TaskLimits(tools=("now",)))

    assert "invalid" in finished(events)[0].output["message"]


async def test_an_output_schema_is_asked_for_and_satisfied(bench: Bench) -> None:
    events = await bench.task("where?", TaskLimits(output_schema=CITY))

    assert bench.demo.controls.log()[0].schema == "Output"
    assert isinstance(read_output({"text": text_of(events), "schema": CITY}), dict)


async def test_an_output_schema_goes_together_with_tools(bench: Bench) -> None:
    events = await bench.task("what time is it?", TaskLimits(tools=("now",), output_schema=CITY))

    assert finished(events)[0].ok
    assert isinstance(read_output({"text": text_of(events), "schema": CITY}), dict)


async def test_an_answer_that_breaks_the_schema_is_sent_back_once(bench: Bench) -> None:
    # the demo model never looks at patterns
    schema = {
        "type": "object",
        "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "required": ["code"],
    }
    stream = bench.stream("which?", task=TaskLimits(output_schema=schema))

    with pytest.raises(errors.ModelUnavailable, match="output schema"):
        await stream.all()

    seen = bench.demo.controls.log()
    assert len(seen) == 2
    assert "does not satisfy the JSON Schema" in seen[1].asked
    assert [e for e in stream.events if isinstance(e, TextRetracted)] == [
        TextRetracted(from_block=0)
    ]


async def test_a_task_out_of_budget_makes_no_further_call(bench: Bench) -> None:
    model = bench.model(input_price=1_000_000, output_price=1_000_000)

    with pytest.raises(errors.BudgetExceeded):
        await bench.task(
            "what time is it?", TaskLimits(tools=("now",), budget_micros=300), model=model
        )

    assert len(bench.demo.controls.log()) == 1


def _priced(bench: Bench) -> ModelBundle:
    """A millionth of a dollar for a token."""
    return bench.model(input_price=1_000_000, output_price=1_000_000)


async def test_a_budget_bounds_how_much_a_model_may_say(bench: Bench) -> None:
    async with scripted_model([says("Hello."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        await bench.task("hello", TaskLimits(budget_micros=1_000), model=_priced(bench))

    (asked,) = model.asked
    sent = sum(len(m["content"].encode()) for m in asked["messages"])
    assert asked["max_completion_tokens"] == 1_000 - -(-sent // 4)


async def test_a_budget_counts_what_calls_read_besides_their_messages(bench: Bench) -> None:
    answer = [says('{"city": "Paris"}'), ends(), DONE]
    limits = TaskLimits(tools=("now",), output_schema=CITY, budget_micros=10_000)
    async with scripted_model(answer) as model:
        bench.ask_at(model.base_url)
        await bench.task("where?", limits, model=_priced(bench))

    (asked,) = model.asked
    sent = sum(len(m["content"].encode()) for m in asked["messages"])
    assert 10_000 - asked["max_completion_tokens"] > sent // 4 + 50


async def test_a_budget_goes_by_what_the_last_call_told(bench: Bench) -> None:
    asks = [calls(call("now", "{}", index=0, id="c")), _used(3_000, 200), DONE]
    async with scripted_model(asks, [says("Noon."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        limits = TaskLimits(tools=("now",), budget_micros=10_000)
        events = await bench.task("what time is it?", limits, model=_priced(bench))

    output = json.dumps(finished(events)[0].output).encode()
    left = 10_000 - 3_200 - 3_200 - -(-len(output) // 4)
    assert model.asked[1]["max_completion_tokens"] == left


@pytest.mark.parametrize(
    "answer",
    [
        [says("Half a sent"), ends("length"), DONE],
        [calls(call("now", '{"ti', index=0, id="c")), ends("length"), DONE],
    ],
    ids=["text", "a call"],
)
async def test_an_answer_that_the_budget_cut_off_is_no_answer(
    bench: Bench, answer: list[Any]
) -> None:
    async with scripted_model(answer) as model:
        bench.ask_at(model.base_url)
        limits = TaskLimits(tools=("now",), budget_micros=3)
        with pytest.raises(errors.BudgetExceeded):
            # `ends` tells of 5 tokens said
            await bench.task("hello", limits, model=bench.model(output_price=1_000_000))

    assert model.asked[0]["max_completion_tokens"] == 3


async def test_an_answer_that_the_model_cut_off_itself_is_no_answer(bench: Bench) -> None:
    async with scripted_model([says("Half a sent"), ends("length"), DONE]) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable, match="cut off"):
            await bench.task("hello", TaskLimits(budget_micros=9_000), model=_priced(bench))


async def test_an_answer_that_cost_more_than_was_left_exceeds_the_budget(bench: Bench) -> None:
    async with scripted_model([says("Hello."), _used(900, 200), DONE]) as model:
        bench.ask_at(model.base_url)
        stream = bench.stream("hello", task=TaskLimits(budget_micros=1_000), model=_priced(bench))
        with pytest.raises(errors.BudgetExceeded):
            await stream.all()

    assert [e.cost_micros for e in stream.events if isinstance(e, ModelUsage)] == [1_100]


async def test_an_answer_of_nothing_counts_against_the_budget(bench: Bench) -> None:
    async with scripted_model([_used(900, 0), DONE], [says("Hi."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.BudgetExceeded):
            await bench.task("hello", TaskLimits(budget_micros=1_000), model=_priced(bench))

    assert len(model.asked) == 1


def _used(read: int, written: int) -> dict[str, Any]:
    """The end of an answer, with what it used."""
    usage = {
        "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
    }  # fmt: skip
    return {**ends(), "usage": usage}


@pytest.mark.parametrize("number", ["1234567890123456789", "NaN", "1e999"])
async def test_a_number_that_cannot_be_carried_is_corrected(bench: Bench, number: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": ["number", "string"]}}}
    odd = [says(f'{{"n": {number}}}'), ends(), DONE]
    async with scripted_model(odd, [says('{"n": "many"}'), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.task("count", TaskLimits(output_schema=schema))

    assert read_output({"text": text_of(events, block=1), "schema": schema}) == {"n": "many"}
    assert "- n: " in model.asked[1]["messages"][-1]["content"]


async def test_a_task_without_tools_has_none(bench: Bench) -> None:
    tries = [calls(call("now", "{}", index=0, id="c")), ends("tool_calls"), DONE]
    async with scripted_model(tries, [says("Noon."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.task("what time is it?", TaskLimits())

    assert (text_of(events), finished(events)) == ("Noon.", [])


class _Asking:
    """What a tool that wants an approval meets in a task."""

    def __init__(self, bench: Bench, limits: TaskLimits) -> None:
        self.run = AgentRun(
            deps=bench.agent()._deps,
            context=RunContext(
                runtime=bench.context(), model=bench.model(), task=limits, segment=""
            ),
        )
        self.prepared = 0

    async def prepare(self) -> Proposal:
        self.prepared += 1
        return Proposal(summary="", payload={"a": 1}, payload_schema={}, context={}, preview={})

    async def ask(self) -> object:
        return await request_approval(
            self.run,
            ToolCall(id="c", place="tools:1"),
            action_type="act",
            tool="act",
            prepare=self.prepare,
        )


async def test_a_task_is_refused_an_approval_before_anything_is_prepared(bench: Bench) -> None:
    asking = _Asking(bench, TaskLimits())

    with pytest.raises(errors.ApprovalNotGranted):
        await asking.ask()
    assert asking.prepared == 0


async def test_a_task_whose_step_granted_it_goes_ahead(bench: Bench) -> None:
    asking = _Asking(bench, TaskLimits(auto_approve=True))

    first, second = await asking.ask(), await asking.ask()

    assert first == second
    assert not bench.approvals.drafts


REFUSAL = "I can't help with that."


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ([says(None, refusal=REFUSAL), ends(), DONE], f"refused the task: {REFUSAL}"),
        ([says("Half", refusal=REFUSAL), ends(), DONE], "refused the task: "),
        ([says("Half a sent"), ends("content_filter"), DONE], "withheld the answer"),
        ([says("Half a sent"), ends("refusal"), DONE], "withheld the answer"),
        ([says(None), ends("content_filter"), DONE], "withheld the answer"),
    ],
)
async def test_a_task_that_its_model_refuses_fails_and_says_so(
    bench: Bench, reply: Any, said: str
) -> None:
    async with scripted_model(reply) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable, match=said) as caught:
            await bench.task("hello", TaskLimits())

    assert caught.value.metadata["request"] == "refused", "the step is not repeated"
    assert len(model.asked) == 1


async def test_an_answer_that_only_its_mark_ends_is_whole(bench: Bench) -> None:
    async with scripted_model([says("One"), says(" line."), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.task("hello", TaskLimits())

    assert text_of(events) == "One line."
    assert len(model.asked) == 1
