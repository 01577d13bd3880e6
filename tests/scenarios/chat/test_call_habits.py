"""Every habit of tool calls, over HTTP, where tools are called; the thread goes on after each.

Cards show every habit, and tasks and subagents a part of them; `ROTA_ALL_HABITS=1` has both
show all.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.llm.retry import MODEL, RetryPolicies
from shared.rpc.messages import struct
from tests.chat_service.api.test_tasks import asking, headers, run
from tests.chat_service.conftest import Serving
from tests.scenarios.chat.test_provider_habits import draft, kind_of
from tests.support.model_providers.models import model
from tests.support.model_providers.provider_habits import (
    CALLS,
    NO_ANSWERS,
    NO_CALLS,
    TEXT_CALLS,
    Calling,
)
from tests.support.model_providers.scripted_model import DONE, Reply, ends, says, scripted_model
from tests.support.system.chat import Chat, approval_of, approve, edit, reject, said, thread_of

__all__ = ["headers"]

Headers = list[tuple[str, str]]
INTENT = '{"intent": "a joke every day at nine"}'
LOOK = '{"subagent": "researcher", "task": "look"}'
HELLO: Reply = [says("Hello."), ends(), DONE]


def called(calling: Calling, tool: str, arguments: str) -> Reply:
    return [says(None, **calling(tool, arguments)), ends("tool_calls"), DONE]


@dataclass
class Provider:
    """Answers the main agent's and a task's calls with `replies`, and others plainly."""

    replies: list[Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, asked: dict[str, Any]) -> Reply:
        self.asked.append(asked)
        kind = kind_of(asked)
        if kind in ("chat", "task"):
            return self.replies.pop(0) if self.replies else HELLO
        texts = {"title": "A title", "drafter": draft("A joke"), "subagent": "It is there."}
        return [says(texts[kind]), ends(), DONE]


@dataclass
class Talk:
    chat: Chat
    headers: Headers
    provider: Provider
    thread: str = ""
    session: str = ""

    async def send(self, *replies: Reply) -> list[pb.TurnEvent]:
        self.provider.replies = [*replies]
        events = await self.chat.send("go on", **({"name": self.thread} if self.thread else {}))
        self.thread = thread_of(events)
        return events

    async def card(self, *replies: Reply) -> pb.Approval:
        return approval_of(await self.send(*replies))

    async def task(self, *replies: Reply) -> Any:
        self.provider.replies = [*replies]
        request = asking(session_id=self.session, tools=["now"])
        result = (await run(self.chat, self.headers, request))[-1].result
        self.session = result.session_id
        return result

    async def goes_on(self) -> bool:
        return said(await self.send(HELLO)) == "Hello."


@pytest.fixture
def talking(serve: Serving, headers: Headers) -> Any:
    @asynccontextmanager
    async def start() -> AsyncIterator[Talk]:
        provider = Provider()
        async with scripted_model(answer=provider.answer) as server:
            once = RetryPolicies(model=replace(MODEL, maximum_attempts=1))
            chat = await serve(model(-1, "s", base_url=server.base_url), retry=once)
            yield Talk(chat, headers, provider)

    return start


def results(events: Sequence[pb.TurnEvent]) -> list[pb.ToolCallFinished]:
    return [e.tool_call_finished for e in events if e.HasField("tool_call_finished")]


async def test_a_call_of_any_known_form_is_carried_out(talking: Any) -> None:
    wrong = {}
    async with talking() as talk:
        for name, calling in CALLS.items():
            card = await talk.card(called(calling, "create_automation", INTENT))
            intent = struct.to_json(card.context)["intent"]
            await talk.chat.resume(card.turn, reject(card, "no"))
            if intent != json.loads(INTENT)["intent"]:
                wrong[name] = intent
        tried = [*CALLS.items()]
        for name, calling in tried if "ROTA_ALL_HABITS" in os.environ else tried[::3]:
            # "{}" would be a call without arguments
            task = await talk.task(called(calling, "now", '{"time_zone": "UTC"}'), HELLO)
            events = await talk.send(called(calling, "delegate", LOOK), HELLO)
            found = struct.to_json(results(events)[0].output).get("answer")
            if (task.text, found) != ("Hello.", "It is there."):
                wrong[f"{name} (task, subagent)"] = (task, found)
        assert await talk.goes_on()
        tasks = [
            m for one in talk.provider.asked for m in one["messages"] if kind_of(one) == "task"
        ]

    assert wrong == {}
    looked = [m["content"] for m in tasks if m["role"] == "tool"]
    assert looked
    assert not any('"status": "error"' in one for one in looked)


async def test_a_call_of_no_known_form_is_refused_in_words_and_the_turn_goes_on(
    talking: Any,
) -> None:
    wrong = {}
    async with talking() as talk:
        for name, calling in NO_CALLS.items():
            events = await talk.send(called(calling, "create_automation", INTENT), HELLO)
            (result,) = results(events)
            failed = result.outcome == pb.ToolCallFinished.ERROR
            if not (failed and said(events) == "Hello." and events[-1].HasField("completed")):
                wrong[name] = events
        assert await talk.goes_on()

    assert wrong == {}


async def test_a_call_as_text_is_no_answer(talking: Any) -> None:
    wrong = {}
    async with talking() as talk:
        for name, write in TEXT_CALLS.items():
            text = write("create_automation", INTENT)
            again = await talk.send([says(text), ends(), DONE], [says(text), ends(), DONE])
            read = [says(write("list_automations", "{}")), ends(), DONE]
            listed = await talk.send(read, HELLO)
            if "as text instead of making it" not in said(again) or "{" in said(again):
                wrong[name] = said(again)
            if said(listed) != "Hello." or [r.outcome for r in results(listed)] != [1]:
                wrong[f"{name} (reads)"] = said(listed)
        assert await talk.goes_on()

    assert wrong == {}


@pytest.mark.usefixtures("impatient")
async def test_what_was_approved_is_reported_though_the_model_gives_no_answer(
    talking: Any,
) -> None:
    wrong = {}
    plain = CALLS["an object"]
    async with talking() as talk:
        for name, silence in NO_ANSWERS.items():
            card = await talk.card(called(plain, "create_automation", INTENT))
            talk.provider.replies = [silence]
            events = await talk.chat.resume(card.turn, approve(card))
            note = "What was approved is done: the automation “A joke” is created."
            if not (events[-1].HasField("completed") and note in said(events)):
                wrong[name] = events
            assert await talk.goes_on()
            if not any(note in str(m["content"]) for m in talk.provider.asked[-1]["messages"]):
                wrong[f"{name} (history)"] = talk.provider.asked[-1]
        # nothing was done, so there is nothing to report
        card = await talk.card(called(plain, "create_automation", INTENT))
        talk.provider.replies = [NO_ANSWERS["an error"]]
        events = await talk.chat.resume(card.turn, reject(card, "no"))

    assert wrong == {}
    assert events[-1].HasField("failed")


async def test_the_model_is_told_what_a_person_edited(talking: Any) -> None:
    async with talking() as talk:
        card = await talk.card(called(CALLS["an object"], "create_automation", INTENT))
        talk.provider.replies = [HELLO]
        payload = struct.to_json(card.payload)
        payload["definition"]["plan"][0]["config"]["prompt"] = "Two jokes."
        await talk.chat.resume(card.turn, edit(card, payload))

    told = json.loads(talk.provider.asked[-1]["messages"][-1]["content"])
    assert told["edited_by_person"] == [
        {"path": "definition.plan[0].config.prompt", "before": "A joke.", "after": "Two jokes."}
    ]


async def test_a_turn_that_fails_leaves_no_step_in_progress_and_marks_its_answer(
    talking: Any,
) -> None:
    async with talking() as talk:
        assert await talk.goes_on()  # and the thread is named
        refused = await talk.send(NO_ANSWERS["a refusal"])
        half = await talk.send(NO_ANSWERS["half an answer"])
        assert await talk.goes_on()

    for events in (refused, half):
        assert events[-1].HasField("failed")
        steps = [e.step for e in events if e.HasField("step")]
        assert [s.state for s in steps] == [pb.Step.IN_PROGRESS, pb.Step.COMPLETED]
        assert {s.id for s in steps} == {"thinking-1"}
        assert sum(e.HasField("usage") for e in events) == 1
    history = [
        m["content"] for m in talk.provider.asked[-1]["messages"] if m["role"] == "assistant"
    ]
    mark = "[This answer was not finished: the turn failed.]"
    assert [text.endswith(mark) for text in history] == [False, True, True]
    assert history[2].startswith("It is")
