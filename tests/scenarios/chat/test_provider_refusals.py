"""Every refusal of an optional part, over HTTP, in every kind of call; what is learnt is kept.

Chats and the kind that has the part show each refusal; `ROTA_ALL_HABITS=1` has all kinds show all.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from chat_service.llm.config import MOST_REFUSALS
from chat_service.llm.retry import MODEL, RetryPolicies
from chat_service.persistence import tables
from tests.chat_service import own_models
from tests.chat_service.conftest import Serving
from tests.scenarios.chat.test_provider_habits import (
    FAILED,
    SAYS,
    WHOLE,
    Headers,
    Provider,
    Talk,
    headers,
)
from tests.support.model_providers.models import model
from tests.support.model_providers.provider_refusals import REFUSALS, has
from tests.support.model_providers.scripted_model import DONE, Reply, ends, says, scripted_model
from tests.support.system.chat import Chat

__all__ = ["headers"]

# refusals of one request that does all: each part in turn
PICKY = [name for name in REFUSALS if name.split(",")[0] in ("Mistral", "Anthropic", "Cerebras")]
# without tools nobody drafts, and nothing is given to a subagent
NO_TOOLS = ("drafter", "subagent")


@dataclass
class RefusingProvider(Provider):
    """Refuses what the model's name, a refusal's, says; `parts` is refused by the model `picky`."""

    base_url: str = ""
    refused: list[str] = field(default_factory=list)

    def answer(self, asked: dict[str, Any]) -> Reply:
        names = PICKY if asked["model"] == "picky" else [asked["model"]]
        for name in names:
            if name in REFUSALS and has(REFUSALS[name].part, asked):
                self.refused.append(name)
                return [REFUSALS[name].reply]
        return super().answer(asked)


@pytest.fixture
def talking(serve: Serving, headers: Headers) -> Callable[..., Any]:
    @asynccontextmanager
    async def start(kind: str, *names: str) -> AsyncIterator[Talk]:
        provider = RefusingProvider(kind)
        async with scripted_model(answer=provider.answer) as server:
            models = [
                model(-number, name, base_url=server.base_url)
                for number, name in enumerate(names, start=1)
            ]
            provider.base_url = server.base_url
            once = RetryPolicies(model=replace(MODEL, maximum_attempts=1))
            chat = await serve(*models, retry=once, local_models=True)
            yield Talk(chat, headers, provider)

    return start


# parts that only some kinds of calls have
OWN = {
    "drafter": ("temperature", "json_schema", "response_format", "strict"),
    "task": ("json_schema", "response_format", "tools beside a format", "strict"),
}


def tried(kind: str) -> list[str]:
    """The refusals that a kind of call shows: chats all, the others one of a part."""
    if kind == "chat" or "ROTA_ALL_HABITS" in os.environ:
        names = list(REFUSALS)
    else:
        by_part = {refusal.part: name for name, refusal in REFUSALS.items()}
        parts = [*by_part][[*SAYS].index(kind) - 1 :: len(SAYS) - 1]
        names = [by_part[part] for part in dict.fromkeys([*OWN.get(kind, ()), *parts])]
    return [name for name in names if kind not in NO_TOOLS or REFUSALS[name].part != "tools"]


@pytest.mark.parametrize("kind", SAYS)
async def test_a_refused_part_is_left_out_and_the_thread_goes_on(
    talking: Callable[..., Any], kind: str
) -> None:
    wrong: dict[str, Any] = {}
    names = tried(kind)
    async with talking(kind, *names, "picky") as talk:
        provider = talk.provider
        for number, name in enumerate([*names, "picky"], start=1):
            talk.choose(-number, name)
            provider.refused.clear()
            found = await talk.answer()
            refused = [*provider.refused]
            if found != WHOLE[kind] or len(refused) > MOST_REFUSALS:
                wrong[name] = (found, refused)
            if refused and kind in ("task", "subagent"):  # those take the least time
                provider.refused.clear()
                if await talk.answer() != WHOLE[kind] or provider.refused:
                    wrong[f"{name}, again"] = provider.refused[:]

    assert wrong == {}


async def test_a_model_without_tools_talks_and_is_told_that_it_has_none(
    talking: Callable[..., Any],
) -> None:
    async with talking("chat", "none", "Ollama, tools") as talk:
        # a turn with a tool goes before, by another model
        talk.provider.kind = "subagent"
        await talk.answer()
        talk.provider.kind = "chat"
        talk.choose(-2, "Ollama, tools")
        assert await talk.answer() == WHOLE["chat"]
        refused = len(talk.provider.refused)
        assert await talk.answer() == WHOLE["chat"]

    asked = talk.provider.asked[-1]
    assert (refused, len(talk.provider.refused)) == (1, 1)
    assert "tools" not in asked
    assert "you have no tools" in asked["messages"][0]["content"]
    assert not any(m.get("tool_calls") or m["role"] == "tool" for m in asked["messages"])


@pytest.mark.usefixtures("impatient")
async def test_what_a_model_refuses_is_kept_for_a_week_by_every_replica(
    talking: Callable[..., Any], serve: Serving
) -> None:
    async with talking("chat", "Azure, stream_options") as talk:
        provider = talk.provider

        async def refusals(chat: Chat) -> int:
            before = len(provider.refused)
            assert (await chat.send("hello"))[-1].HasField("completed")
            return len(provider.refused) - before

        assert await refusals(talk.chat) >= 1
        assert await refusals(talk.chat) == 0
        other = await serve(local_models=True)
        assert await refusals(other) == 0
        serve.clock.advance(timedelta(days=7))
        assert await refusals(talk.chat) >= 1


@pytest.mark.usefixtures("impatient")
async def test_what_a_persons_own_model_refuses_is_kept_for_its_revision(
    talking: Callable[..., Any], serve: Serving
) -> None:
    async with talking("chat", "plain") as talk:
        chat, provider = talk.chat, talk.provider
        mine = await own_models.add(chat, provider.base_url, model="Azure, stream_options")
        number = int(mine.name.rsplit("/", 1)[1])
        for refused in (True, False):
            provider.refused.clear()
            events = await chat.send("hello", model_config_id=number)
            assert events[-1].HasField("completed")
            assert bool(provider.refused) == refused
        await own_models.change(chat, "display_name", name=mine.name, display_name="New")
        await chat.send("hello", model_config_id=number)
        assert provider.refused

        async with chat.engine.connect() as connection:
            rows = (await connection.execute(sa.select(tables.model_features))).all()
    assert len(rows) == 2
    assert "stream_options" == rows[0].feature == rows[1].feature


async def test_an_error_that_goes_on_without_the_part_is_learnt_as_nothing(
    talking: Callable[..., Any],
) -> None:
    async with talking("chat", "plain") as talk:
        talk.provider.ending = lambda _: [REFUSALS["Azure, stream_options"].reply]
        assert await talk.answer() == FAILED
        talk.provider.ending = lambda answer: [says(answer), ends(), DONE]
        assert await talk.answer() == WHOLE["chat"]
        async with talk.chat.engine.connect() as connection:
            rows = (await connection.execute(sa.select(tables.model_features))).all()

    assert rows == []
    assert "stream_options" in json.dumps(talk.provider.asked[-1])
