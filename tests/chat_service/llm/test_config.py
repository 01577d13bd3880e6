"""A model that refuses part after part of a request, and one that does not stream its calls."""

from typing import Any

import pytest

from chat_service.llm.config import MOST_REFUSALS
from chat_service.llm.features.request_settings import RequestSettings
from shared import errors
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    ends,
    says,
    scripted_model,
)

PARTS = ("stream_options", "seed", "top_p", "user", "metadata", "service_tier", "tools", "stream")
GIVEN = {"seed": 1, "top_p": 1, "user": "a", "metadata": {"a": "b"}, "service_tier": "auto"}


def refuse(asked: dict[str, Any]) -> Reply:
    """Refuses the first of the parts that a request has."""
    part = next((part for part in PARTS if asked.get(part)), None)
    if part is None:
        return [says("Hello."), ends(), DONE]
    return [Refused(400, {"message": f"Unsupported parameter: '{part}'.", "param": part})]


async def test_a_call_is_made_again_a_few_times_and_what_helped_counts_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RequestSettings, "apply", lambda _, asked: {**asked, **GIVEN})
    async with scripted_model(answer=refuse) as model:
        bench.ask_at(model.base_url)
        bundle = bench.model()
        with pytest.raises(errors.ModelUnavailable, match="refused the request"):
            await bench.all("hello", model=bundle)
        first = len(model.asked)
        assert text_of(await bench.all("hello", model=bundle)) == "Hello."

    assert first == 1 + MOST_REFUSALS
    assert len(model.asked) == first + len(PARTS) - MOST_REFUSALS + 1


async def test_the_calls_of_an_answer_that_is_not_streamed_are_made(bench: Bench) -> None:
    made = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(("list_automations", "list_automations"))
    ]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with scripted_model(
        [Refused(200, body=whole)], [says("None yet."), ends(), DONE]
    ) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("what do I have?")

    assert [one.ok for one in finished(events)] == [True, True]
    assert text_of(events) == "None yet."
