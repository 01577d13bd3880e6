"""Every habit of a provider, over HTTP, in every kind of call; the thread goes on after each.

Chats show every habit, and each other kind of call a part of them; `ROTA_ALL_HABITS=1` has all
kinds show all.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.llm.retry import MODEL, RetryPolicies
from shared.rpc.messages import struct
from tests.chat_service.api.test_tasks import asking, headers, run
from tests.chat_service.conftest import Serving
from tests.support.model_providers.models import model
from tests.support.model_providers.provider_habits import BYTES, ENDS, ERRORS, THOUGHTS, Ending
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.system.chat import Chat, approval_of, reject, thread_of

__all__ = ["headers"]

Headers = list[tuple[str, str]]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}


def draft(name: str) -> str:
    schedule = {"cron": "0 9 * * *", "timezone": "UTC"}
    return json.dumps(
        {
            "display_name": name,
            "definition": {
                "triggers": [{"trigger_id": "t", "type": "schedule", "config": schedule}],
                "plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}],
            },
        }
    )


# what each kind of call thinks, and what it answers; each thought could be taken for the answer
SAYS: Mapping[str, tuple[str, str]] = {
    "chat": ("The person is greeting me.", "Hello there 😀."),
    "title": ("A thought, not a title", "News from Paris"),
    "drafter": (f"Maybe {draft('A thought')}? ", draft("A joke")),
    "task": ('Is it {"answer": 1}? …', '{"answer": 42}'),
    "subagent": ("I looked in the wrong place.", "It is in the cupboard."),
}
WHOLE: Mapping[str, Any] = {
    "chat": "Hello there 😀.",
    "title": "News from Paris",
    "drafter": "A joke",
    "task": {"answer": 42},
    "subagent": "It is in the cupboard.",
}
FAILED = "failed"
TOOLS = {
    "drafter": call("create_automation", '{"intent": "a joke"}', index=0, id="c"),
    "subagent": call("delegate", '{"subagent": "researcher", "task": "look"}', index=0, id="c"),
}


@dataclass
class Provider:
    """Has one kind of call answered by a habit, and the others plainly."""

    kind: str
    ending: Ending = lambda answer: [says(answer), ends(), DONE]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, asked: dict[str, Any]) -> Reply:
        kind = kind_of(asked)
        self.asked.append(asked)
        if kind == "chat" and self.kind in TOOLS and asked["messages"][-1]["role"] == "user":
            return [calls(TOOLS[self.kind]), ends("tool_calls"), DONE]
        text = SAYS[kind][1]
        return self.ending(text) if kind == self.kind else [says(text), ends(), DONE]


def kind_of(asked: dict[str, Any]) -> str:
    first = asked["messages"][0]["content"]
    for kind, words in (
        ("title", "Write a title for a chat"),
        ("task", "You carry out one task"),
        ("subagent", "You are a researcher"),
        ("drafter", "You turn one intent"),
    ):
        if first.startswith(words):
            return kind
    return "chat"


@dataclass
class Talk:
    """One thread of one service. `answer` has its provider show a habit, and reads the answer."""

    chat: Chat
    headers: Headers
    provider: Provider
    thread: str = ""
    session: str = ""
    model: int = 0  # 0: auto
    name: str = ""  # of the model of a task
    events: list[pb.TurnEvent] = field(default_factory=list)

    def choose(self, model: int, name: str) -> None:
        self.model, self.name = model, name

    async def answer(self) -> Any:
        read: Callable[[], Awaitable[Any]] = getattr(self, f"_{self.provider.kind}")
        return await read()

    async def _events(self) -> list[pb.TurnEvent]:
        name = {"name": self.thread} if self.thread else {}
        events = await self.chat.send("go on", model_config_id=self.model, **name)
        self.thread, self.events = thread_of(events), events
        return events

    async def _chat(self) -> Any:
        events = await self._events()
        return said(events) if events[-1].HasField("completed") else FAILED

    async def _title(self) -> Any:
        self.thread = ""  # only a new one is named
        events = await self._events()
        assert said(events) == WHOLE["chat"]
        names = [e.thread_updated.display_name for e in events if e.HasField("thread_updated")]
        return names[0] if names else FAILED

    async def _drafter(self) -> Any:
        events = await self._events()
        if not events[-1].HasField("suspended"):
            return FAILED
        approval = approval_of(events)
        await self.chat.resume(approval.turn, reject(approval, "no"))
        return struct.to_json(approval.payload)["display_name"]

    async def _task(self) -> Any:
        request = asking(
            output_schema=struct.to_struct(SCHEMA), session_id=self.session, model=self.name
        )
        events = await run(self.chat, self.headers, request)
        result, self.session = events[-1].result, events[-1].result.session_id
        return struct.to_json(result.output) if not result.error.code else FAILED

    async def _subagent(self) -> Any:
        events = await self._events()
        ended = [e.tool_call_finished for e in events if e.HasField("tool_call_finished")]
        if not ended or not events[-1].HasField("completed"):
            return FAILED
        return struct.to_json(ended[0].output).get("answer")


def said(events: list[pb.TurnEvent]) -> str:
    return "".join(part.text for part in events[-1].completed.message.parts)


def thought(events: list[pb.TurnEvent]) -> str:
    return "".join(part.reasoning for part in events[-1].completed.message.parts)


def used(events: list[pb.TurnEvent]) -> tuple[int, int, bool]:
    usage = events[-1].completed.message.usage
    return usage.input_tokens, usage.output_tokens, usage.estimated


@pytest.fixture
def talking(serve: Serving, headers: Headers) -> Any:
    @asynccontextmanager
    async def start(kind: str) -> AsyncIterator[Talk]:
        provider = Provider(kind)
        async with scripted_model(answer=provider.answer) as server:
            # one try is enough to see a failure
            once = RetryPolicies(model=replace(MODEL, maximum_attempts=1))
            chat = await serve(model(-1, "s", base_url=server.base_url), retry=once)
            yield Talk(chat, headers, provider)

    return start


def habits(kind: str) -> Iterator[tuple[str, Ending, Any]]:
    """Yields each habit's name, what it sends and what comes of it."""
    thinks = SAYS[kind][0]
    for name, thinking in THOUGHTS.items():
        yield name, partial(thinking, thinks), WHOLE[kind]
    for name, ending in ERRORS.items():
        yield f"{name} ({FAILED})", ending, FAILED
    for name, ending in ENDS.items():
        yield f"{name} (whole)", ending, WHOLE[kind]
    for name, ending in BYTES.items():
        yield name, ending, WHOLE[kind]


@pytest.mark.parametrize("kind", SAYS)
async def test_a_habit_is_understood_and_the_thread_goes_on(talking: Any, kind: str) -> None:
    wrong = {}
    tried = [*habits(kind)]
    if kind != "chat" and "ROTA_ALL_HABITS" not in os.environ:
        # chats try each; every habit is tried in one other kind of call too
        tried = tried[[*SAYS].index(kind) - 1 :: len(SAYS) - 1]
    async with talking(kind) as talk:
        for name, ending, expected in tried:
            talk.provider.ending = ending
            found = await talk.answer()
            if found != expected:
                wrong[name] = found
            if kind == "chat" and name in THOUGHTS and SAYS[kind][0] not in thought(talk.events):
                wrong[name] = thought(talk.events)
            if kind == "chat" and name in BYTES and used(talk.events) != (10, 5, False):
                wrong[name] = used(talk.events)
        talk.provider.ending = Provider(kind).ending
        assert await talk.answer() == WHOLE[kind]

    assert wrong == {}
    assert len(talk.provider.asked) > len(tried)
    # what was thought is in no history
    assert not any("greeting me" in json.dumps(asked) for asked in talk.provider.asked)
