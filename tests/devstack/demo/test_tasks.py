"""Unattended tasks and titles."""

from typing import Any

import openai
import pytest
from pydantic import BaseModel

from devstack.demo_model import DemoServer
from tests.devstack.demo.calls import (
    ask,
    chat_model,
    user,
)


@pytest.mark.parametrize(
    ("prompt", "start"),
    [
        ("Summarise the news.", "[demo] A pretend summary of the news"),
        ("Say hello to the team.", "[demo] hello to the team"),
        ("Tell me a joke.", "[demo] Why does a schedule"),
        ("Say hi.\n\n[Memory: the result]\n> https://x.example", "[demo] hi"),
        ("Water the plants.", "[demo] The task “Water the plants” came at its time."),
    ],
)
async def test_an_unattended_task_gets_a_plain_answer_marked_as_demo(
    client: openai.AsyncOpenAI, prompt: str, start: str
) -> None:
    message = await ask(client, prompt)
    assert message.content.startswith(start)


async def test_a_wanted_shape_is_filled(demo: DemoServer) -> None:
    class Report(BaseModel):
        headline: str
        count: int
        tags: list[str]

    model = chat_model(demo).with_structured_output(Report, method="json_schema")
    assert await model.ainvoke("Summarise the news.") == Report(headline="demo", count=0, tags=[])


async def test_the_clock_is_asked_when_it_is_offered(client: openai.AsyncOpenAI) -> None:
    function = {"name": "now", "parameters": {"type": "object", "properties": {}}}
    tools: list[Any] = [{"type": "function", "function": function}]
    first = user("Say what time it is.")
    call = (await ask(client, "", messages=first, tools=tools)).tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("now", "{}")
    told = {"role": "tool", "tool_call_id": call.id, "content": "16:00"}
    assistant = {"role": "assistant", "tool_calls": [call.model_dump()]}
    message = await ask(client, "", messages=[*first, assistant, told], tools=tools)
    assert message.content == "[demo] For “Say what time it is” the tools say: 16:00"


async def test_a_title_has_six_words_at_most(client: openai.AsyncOpenAI) -> None:
    system = {"role": "system", "content": "Write a title for this thread."}
    text = "every weekday at 9 in Paris summarise the news <<delay=0>>"
    message = await ask(client, "", messages=[system, *user(text)])
    assert message.content == "Every weekday at 9 in Paris"
