"""Asks about automations that exist already → the tools that manage them."""

import json
from typing import Any

import openai
import pytest

from devstack.demo.management import parse_management_call
from tests.devstack.demo.calls import ask

NAMES = (
    "create_automation",
    "update_automation",
    "pause_automation",
    "resume_automation",
    "list_automations",
    "explain_slot",
)
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in NAMES
]


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("list my automations", "list_automations", {}),
        ("Show me all my automations, please", "list_automations", {}),
        ("what do I have scheduled?", "list_automations", {}),
        ("which automations are there", "list_automations", {}),
        (
            "change Morning news to 10:30",
            "update_automation",
            {"automation": "Morning news", "change": "Run it 10:30."},
        ),
        (
            "please move “Morning news” to every day at 18:00 in Berlin.",
            "update_automation",
            {"automation": "Morning news", "change": "Run it every day at 18:00 in Berlin."},
        ),
        ("pause Morning news", "pause_automation", {"automation": "Morning news"}),
        (
            "pause Morning news because nobody reads it",
            "pause_automation",
            {"automation": "Morning news", "note": "nobody reads it"},
        ),
        ("resume Morning news!", "resume_automation", {"automation": "Morning news"}),
        (
            "why did Morning news not run at 9 yesterday?",
            "explain_slot",
            {"automation": "Morning news", "moment": "at 9 yesterday"},
        ),
        (
            "why didn't Morning news run on Monday at 9?",
            "explain_slot",
            {"automation": "Morning news", "moment": "on Monday at 9"},
        ),
    ],
)
async def test_an_ask_becomes_a_call(
    client: openai.AsyncOpenAI, text: str, tool: str, arguments: dict[str, str]
) -> None:
    message = await ask(client, text, tools=TOOLS)
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (tool, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "every day at 9 list the new automations of my competitors",
        "pause the music every day at 9",
        "move the boxes to the cellar every day at 9",
    ],
)
async def test_work_on_a_schedule_is_still_set_up(client: openai.AsyncOpenAI, text: str) -> None:
    message = await ask(client, text, tools=TOOLS)
    assert [call.function.name for call in message.tool_calls] == ["create_automation"]


async def test_a_moment_that_was_not_said_is_asked_for(client: openai.AsyncOpenAI) -> None:
    message = await ask(client, "why did the news not run?", tools=TOOLS)
    assert message.content == "When should it have run?"


def test_what_is_not_offered_is_not_called() -> None:
    assert parse_management_call("pause the news", ["create_automation"]) is None
