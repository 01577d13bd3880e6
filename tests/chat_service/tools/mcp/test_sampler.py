"""Sampling: refused unless the operator allows it, and then within limits and paid by the turn."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from chat_service.llm.usage import ModelUsage
from chat_service.runtime.models_file import McpSampling, McpServer
from chat_service.runtime.ports import TaskLimits
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.hands import one_call
from tests.chat_service.tools.mcp.test_tools import agent_with, looked
from tests.support.model_providers.scripted_model import (
    Refused,
    Reply,
    ScriptedModel,
    ends,
    says,
    scripted_model,
)
from tests.support.servers.mcp_server import Shelf, mcp_server

VERSE: Reply = [says("A verse.###And more."), ends()]
END: Reply = [says("There it is."), ends()]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(prompts=["about trains"])


@pytest.fixture
async def url(shelf: Shelf) -> AsyncIterator[str]:
    async with mcp_server(shelf) as address:
        yield address


async def composed(
    bench: Bench,
    url: str,
    *replies: Reply,
    sampling: McpSampling | None,
    limits: TaskLimits | None = None,
    **model: Any,
) -> tuple[Any, ScriptedModel, Sequence[Any]]:
    """What `compose` gives, and what the model was asked."""
    tools = await looked(
        McpServer(id="notes", url=url, approval="never", sampling=sampling, timeout_seconds=20)
    )
    async with scripted_model(one_call("notes_compose", 1), *replies, END) as scripted:
        bench.ask_at(scripted.base_url)
        events = await bench.all(
            "go", agent=agent_with(bench, tools), model=bench.model(**model), task=limits
        )
    return finished(events)[0].output["text"], scripted, events


async def test_sampling_is_refused_unless_it_is_allowed(bench: Bench, url: str) -> None:
    text, model, _ = await composed(bench, url, sampling=None)

    assert text == "refused: Sampling not supported"
    assert len(model.asked) == 2


async def test_the_model_of_the_turn_answers_without_tools_and_is_paid_by_the_turn(
    bench: Bench, url: str
) -> None:
    text, model, events = await composed(bench, url, VERSE, sampling=McpSampling(max_tokens=300))

    assert text == "demo (stopSequence): A verse."
    asked = model.asked[1]
    assert [one["content"] for one in asked["messages"]] == ["You are a poet.", "about trains"]
    assert "tools" not in asked
    assert 300 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))
    assert len([event for event in events if isinstance(event, ModelUsage)]) == 3


async def test_the_requests_of_a_call_are_limited(bench: Bench, url: str, shelf: Shelf) -> None:
    shelf.prompts += ["about buses", "x" * 70_000]

    text, model, _ = await composed(bench, url, VERSE, sampling=McpSampling(max_calls=1))

    assert text.splitlines() == [
        "demo (stopSequence): A verse.",
        "refused: a call may ask the model 1 times",
        "refused: the messages are longer than 65536 characters",
    ]
    assert len(model.asked) == 3


async def test_a_model_that_fails_is_told_without_its_providers_words(
    bench: Bench, url: str
) -> None:
    refused: Reply = [Refused(400, {"message": "account 7 of Example"})]

    text, _, _ = await composed(bench, url, refused, sampling=McpSampling())

    assert text == "refused: the model gave no answer"


async def test_a_task_samples_within_its_budget(bench: Bench, url: str) -> None:
    limits = TaskLimits(tools=("notes_compose",), budget_micros=4_000)

    text, model, _ = await composed(
        bench, url, VERSE, sampling=McpSampling(), limits=limits, output_price=10_000_000
    )

    assert text == "demo (stopSequence): A verse."
    asked = model.asked[1]
    assert 0 < (asked.get("max_tokens") or asked["max_completion_tokens"]) < 400
