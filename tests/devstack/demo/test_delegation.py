"""“Ask the researcher …”: whom, what, and when it is no such thing."""

import json
from typing import Any

import openai
import pytest

from devstack.demo.delegation import parse_delegation
from tests.devstack.demo.calls import ask

TOOL: dict[str, Any] = {
    "type": "object",
    "properties": {"subagent": {"type": "string", "enum": ["researcher", "clerk"]}},
}
TOOLS = {"delegate": TOOL}


@pytest.mark.parametrize(
    ("text", "subagent", "task"),
    [
        ("ask the researcher what time it is", "researcher", "what time it is"),
        ("Please ask the researcher to read it", "researcher", "read it"),
        ("have the clerk: file it", "clerk", "file it"),
        (
            "Could you let your Researcher look up\nboth pages?",
            "researcher",
            "look up\nboth pages?",
        ),
    ],
)
def test_a_task_goes_to_the_subagent_that_is_named(text: str, subagent: str, task: str) -> None:
    assert parse_delegation([text], TOOLS) == [{"subagent": subagent, "task": task}]


@pytest.mark.parametrize(
    "text", ["ask the butler to read it", "ask the researcher", "tell me a joke", "the researcher"]
)
def test_what_names_no_subagent_or_no_task_is_something_else(text: str) -> None:
    assert not parse_delegation([text], TOOLS)
    assert not parse_delegation(["ask the researcher to read it"], {})


async def test_several_are_asked_side_by_side_and_their_answers_are_told(
    client: openai.AsyncOpenAI,
) -> None:
    tool = {"type": "function", "function": {"name": "delegate", "parameters": TOOL}}
    said = "ask the researcher to read it and also ask the clerk to file it"
    message = await ask(client, said, tools=[tool])
    asked = [json.loads(call.function.arguments) for call in message.tool_calls]
    assert asked == [
        {"subagent": "researcher", "task": "read it"},
        {"subagent": "clerk", "task": "file it"},
    ]

    results = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": json.dumps({"status": "done", "subagent": name, "answer": "It is read."}),
        }
        for call, name in zip(message.tool_calls, ("researcher", "clerk"), strict=True)
    ]
    history = [{"role": "user", "content": said}, message.model_dump(), *results]
    answer = await ask(client, "", messages=history, tools=[tool])
    assert answer.content == "The researcher says: It is read. The clerk says: It is read."
