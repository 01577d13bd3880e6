"""Streams that no provider should send, and some do."""

import json
from typing import Any

import pytest

from chat_service.agent.middleware.tool_call import MAX_PARALLEL_CALLS
from chat_service.agent.structured_output import read_output
from chat_service.llm.tool_calls.assembler import MAX_CALLS
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import TextRetracted, ToolCallStarted
from chat_service.runtime.ports import TaskLimits
from shared import errors
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

NO_INTENT = call("create_automation", "{}", index=0, id="call_1")


async def test_an_unknown_tool_is_answered(bench: Bench) -> None:
    unknown = [calls(call("teleport", "{}", index=0, id="c")), ends(), DONE]
    async with scripted_model(unknown, [says("Sorry."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert finished(events)[0].ok is False
    assert text_of(events) == "Sorry."


async def test_what_cannot_be_stored_is_replaced(bench: Bench) -> None:
    odd = r'{"choices":[{"index":0,"delta":{"role":"assistant","content":"a\u0000b\ud800c"}}]}'
    arguments = '{"intent": "x\\u0000y\\ud800z"}'
    tool = [odd, calls(call("nothing", arguments, index=0, id="c")), ends(), DONE]
    async with scripted_model(tool, [says("ok"), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events, block=0) == "a\ufffdb\ufffdc"
    sent = next(m for m in model.asked[1]["messages"] if m.get("tool_calls"))
    assert json.loads(sent["tool_calls"][0]["function"]["arguments"]) == {
        "intent": "x\ufffdy\ufffdz"
    }


@pytest.mark.parametrize(
    "bad",
    [
        [says("Hel")],
        ["nonsense"],
        [says("Hel"), "[1]"],
        [DONE],
        [{"choices": [None]}, DONE],
        [{"choices": {"a": 1}}, DONE],
        [says("Hel"), {"choices": [{"delta": "lo"}]}, ends(), DONE],
        [{"choices": []}, DONE],
        [ends(), DONE],
        [says("", reasoning_content="Hm."), says("  "), ends(), DONE],
    ],
)
async def test_a_stream_that_breaks_off_is_tried_again(bench: Bench, bad: list[object]) -> None:
    async with scripted_model(bad, [says("Hello."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    retracted = [i for i, e in enumerate(events) if isinstance(e, TextRetracted)]
    assert text_of(events[retracted[0] if retracted else 0 :]) == "Hello."


async def test_a_stream_may_end_without_saying_so_twice(bench: Bench) -> None:
    async with scripted_model([says("Hello."), ends()]) as model:
        bench.ask_at(model.base_url)
        assert text_of(await bench.all("hello")) == "Hello."


async def test_a_model_that_never_stops_calling_tools_is_stopped(bench: Bench) -> None:
    again = [calls(NO_INTENT), ends("tool_calls"), DONE]
    replies = [again] * 23 + [[says("Enough."), ends(), DONE]]
    async with scripted_model(*replies) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events) == "Enough."
    assert "tools" in model.asked[22]
    assert "tools" not in model.asked[23]


async def test_a_corrected_answer_takes_the_place_of_the_broken_one(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    replies = [[says('{"n": "two"}'), ends(), DONE], [says('```json\n{"n": 2}\n```'), ends(), DONE]]
    async with scripted_model(*replies) as model:
        bench.ask_at(model.base_url)
        events = await bench.task("count", TaskLimits(output_schema=schema))
        again = await bench.task("count", TaskLimits(output_schema=schema), first_block=2)

    assert TextRetracted(from_block=0) in events
    assert read_output({"text": text_of(events, block=1), "schema": schema}) == {"n": 2}
    assert read_output({"text": text_of(again, block=3), "schema": schema}) == {"n": 2}
    assert TextRetracted(from_block=2) in again
    assert "'two' is not of type 'integer'" in model.asked[1]["messages"][-1]["content"]


async def test_a_draft_in_fences_and_prose_is_read(bench: Bench) -> None:
    draft = {
        "display_name": "Joke",
        "definition": {
            "triggers": [
                {
                    "trigger_id": "t",
                    "type": "schedule",
                    "config": {"cron": "0 9 * * *", "timezone": "UTC"},
                }
            ],
            "plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}],
        },
    }
    wanted = [calls(call("create_automation", '{"intent":"joke"}', index=0, id="c")), ends(), DONE]
    drafted = [says(f"Here {{you}} are:\n```json\n{json.dumps(draft)}\n```\nEnjoy!"), ends(), DONE]
    async with scripted_model(wanted, drafted) as model:
        bench.ask_at(model.base_url)
        (approval,) = await bench.paused("a joke every day at nine, please")

    assert bench.approvals.drafts[approval].payload["display_name"] == "Joke"


async def test_a_drafter_that_lacks_something_is_not_asked_to_correct_it(bench: Bench) -> None:
    wanted = [calls(call("create_automation", '{"intent":"x"}', index=0, id="c")), ends(), DONE]
    lacking = [says('{"issues": ["Which page?"]}'), ends(), DONE]
    async with scripted_model(wanted, lacking, [says("Which page?"), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("check prices on Mondays")

    assert finished(events)[0].output == {"status": "invalid", "issues": ["Which page?"]}
    assert len(model.asked) == 3


async def test_a_response_with_an_error_inside_is_a_fault(bench: Bench) -> None:
    refused = ['{"error": {"message": "our secret", "code": "content_filter"}}']
    async with scripted_model(refused) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable) as caught:
            await bench.all("hello")

    assert "secret" not in caught.value.message


async def test_a_model_that_never_answers_is_refused_and_what_it_used_is_told(
    bench: Bench,
) -> None:
    async with scripted_model(*[[ends(), DONE]] * 3) as model:
        bench.ask_at(model.base_url)
        stream = bench.stream("hello")
        with pytest.raises(errors.ModelUnavailable, match="gave no answer"):
            await stream.all()

    used = [e for e in stream.events if isinstance(e, ModelUsage)]
    assert [(u.input_tokens, u.output_tokens) for u in used] == [(10, 5)] * 3
    assert len({u.call for u in used}) == 3


@pytest.mark.parametrize(
    ("reason", "said"), [("length", "cut off"), ("content_filter", "withheld")]
)
async def test_an_answer_that_ends_before_its_first_word_is_not_asked_for_again(
    bench: Bench, reason: str, said: str
) -> None:
    async with scripted_model([ends(reason), DONE]) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable, match=said):
            await bench.all("hello")

    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("length", "[The answer ends here: it is as long as the model's answers may be.]"),
        ("content_filter", "[The answer ends here: the model's provider withheld the rest.]"),
        ("lunch", "[The answer ends here: the model's provider gives the reason “lunch”.]"),
    ],
)
async def test_an_answer_that_is_cut_off_says_so(bench: Bench, reason: str, note: str) -> None:
    async with scripted_model([says("Half a sent"), ends(reason), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")
        again = await bench.all("hello", first_block=1)

    assert text_of(events, block=0) == text_of(again, block=1) == f"Half a sent\n\n{note}"


async def test_a_refusal_is_said(bench: Bench) -> None:
    refused = [says("", refusal="I can't "), says("", refusal="do that."), ends(), DONE]
    async with scripted_model(refused) as model:
        bench.ask_at(model.base_url)
        assert text_of(await bench.all("hello")) == "I can't do that."


async def test_tools_that_were_not_offered_are_not_used(bench: Bench) -> None:
    again = [calls(NO_INTENT), ends("tool_calls"), DONE]
    last = [says("Enough."), calls(NO_INTENT), ends("tool_calls"), DONE]
    async with scripted_model(*[again] * 23, last) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events) == "Enough."
    assert len(model.asked) == 24
    started = [e.tool_call_id for e in events if isinstance(e, ToolCallStarted)]
    assert started == [e.tool_call_id for e in finished(events)]


async def test_a_model_that_only_ever_calls_tools_gives_no_answer(bench: Bench) -> None:
    again = [calls(NO_INTENT), ends("tool_calls"), DONE]
    async with scripted_model(*[again] * 26) as model:
        bench.ask_at(model.base_url)
        stream = bench.stream("go")
        with pytest.raises(errors.ModelUnavailable, match="gave no answer"):
            await stream.all()

    started = [e.tool_call_id for e in stream.events if isinstance(e, ToolCallStarted)]
    assert started == [e.tool_call_id for e in finished(stream.events)]


def _listing(times: int) -> Reply:
    made = [call("list_automations", "{}", index=n, id=f"c{n}") for n in range(times)]
    return [calls(*made), ends("tool_calls"), DONE]


async def test_of_a_great_many_calls_at_once_the_first_are_carried_out(bench: Bench) -> None:
    async with scripted_model(
        _listing(MAX_PARALLEL_CALLS + 2), [says("ok"), ends(), DONE]
    ) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    ended = {one.tool_call_id: one for one in finished(events)}
    assert [n for n in range(MAX_PARALLEL_CALLS + 2) if not ended[f"c{n}"].ok] == [64, 65]
    assert "nothing was done" in ended["c64"].output["message"]
    assert text_of(events) == "ok"


async def test_an_answer_of_calls_without_end_is_no_answer(bench: Bench) -> None:
    async with scripted_model(*[_listing(MAX_CALLS + 1)] * 3) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable):
            await bench.all("go")

    assert len(model.asked) == 3


@pytest.mark.parametrize("first", [0, 1])
async def test_of_several_answers_the_one_that_came_first_is_read(bench: Bench, first: int) -> None:
    def of(index: int, chunk: dict[str, Any]) -> dict[str, Any]:
        return {**chunk, "choices": [{**chunk["choices"][0], "index": index}]}

    other = 1 - first
    told = [of(first, says("Hel")), of(other, says("Good")), of(first, says("lo."))]
    told += [of(other, says("bye.")), of(other, ends("length")), of(first, ends())]
    async with scripted_model([*told, DONE]) as model:
        bench.ask_at(model.base_url)
        assert text_of(await bench.all("hello")) == "Hello."


def answer_of(index: int, text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}, **more}]}


@pytest.mark.parametrize("first", [0, 1])
async def test_only_the_first_of_several_answers_is_read(bench: Bench, first: int) -> None:
    other = 1 - first
    mixed = [
        answer_of(first, "Hello"),
        answer_of(other, "OTHER"),
        answer_of(first, " there"),
        answer_of(other, " OTHER"),
        answer_of(first, ".", finish_reason="stop"),
        ends(),
        DONE,
    ]
    async with scripted_model(mixed) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert text_of(events) == "Hello there."


async def test_members_nested_too_deep_break_no_answer(bench: Bench) -> None:
    text = json.dumps(says("Hello.", reasoning_details=[])).replace(
        '"reasoning_details": []', '"reasoning_details": ' + "[" * 1000 + "]" * 1000
    )
    async with scripted_model([text, ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    assert text_of(events) == "Hello."
