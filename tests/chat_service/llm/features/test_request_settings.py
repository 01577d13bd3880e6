"""What an operator sets for a model is sent in its requests, whatever the provider refuses."""

from typing import Any

import pytest

from chat_service.llm.features.request_settings import RequestSettings
from chat_service.runtime.ports import TaskLimits
from shared import errors
from tests.chat_service.agent_bench import Bench, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    ends,
    says,
    scripted_model,
)

HELLO: Reply = [says("Hello."), ends(), DONE]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
REFUSED = [Refused(400, {"message": "Unsupported parameter", "param": "temperature"})]


async def test_what_is_set_is_in_the_request(bench: Bench) -> None:
    settings = RequestSettings(
        temperature=0.5,
        top_p=0.9,
        max_tokens=700,
        reasoning_effort="low",
        tool_choice="auto",
        parallel_tool_calls=False,
        strict=True,
        leave_out=frozenset({"stream_options"}),
        extra_headers={"x-team": "north"},
        extra_body={"seed": 7, "provider": {"sort": "price"}},
    )
    async with scripted_model(HELLO) as model:
        bench.ask_at(model.base_url)
        await bench.all("hello", model=bench.model(settings=settings))

    (asked,) = model.asked
    assert {name: asked[name] for name in asked.keys() - {"messages", "tools", "model"}} == {
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 700,
        "reasoning_effort": "low",
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "seed": 7,
        "provider": {"sort": "price"},
    }
    assert all(tool["function"]["strict"] for tool in asked["tools"])
    assert "x-team: north" in model.heads[0]
    assert "authorization: bearer sk-" in model.heads[0]


@pytest.mark.parametrize(
    ("form", "sent"), [("json_object", {"type": "json_object"}), ("none", None)]
)
async def test_the_most_that_is_asked_of_an_answers_format_is_set(
    bench: Bench, form: Any, sent: Any
) -> None:
    settings = RequestSettings(response_format=form)
    async with scripted_model([says('{"n": 1}'), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        limits = TaskLimits(output_schema=SCHEMA)
        await bench.task("count", limits, model=bench.model(settings=settings))

    assert model.asked[0].get("response_format") == sent


async def test_what_is_set_is_sent_although_it_was_refused(bench: Bench) -> None:
    set_by_hand = bench.model(settings=RequestSettings(temperature=1))
    async with scripted_model(REFUSED, REFUSED) as model:
        bench.ask_at(model.base_url)
        for _ in range(2):
            with pytest.raises(errors.ModelUnavailable, match="refused the request"):
                await bench.all("hello", model=bench.model(settings=set_by_hand.config.settings))

    assert [asked["temperature"] for asked in model.asked] == [1, 1]


async def test_what_was_learnt_before_it_was_set_does_not_count(bench: Bench) -> None:
    async with scripted_model(HELLO) as model:
        bench.ask_at(model.base_url)
        bundle = bench.model(settings=RequestSettings(temperature=1))
        await bundle.features.leave_out("temperature")
        await bundle.features.leave_out("tools")
        assert text_of(await bench.all("hello", model=bundle)) == "Hello."

    assert model.asked[0]["temperature"] == 1
    assert "tools" not in model.asked[0]


def test_a_smaller_limit_of_a_budget_stays() -> None:
    settings = RequestSettings(max_tokens=700)

    assert settings.apply({"max_completion_tokens": 9})["max_completion_tokens"] == 9
    assert settings.apply({"max_completion_tokens": 900})["max_completion_tokens"] == 700
