"""“It” is the automation that was last spoken of, or that brought the last result."""

import json
from typing import Any

import openai
import pytest

from devstack.demo.pronoun import WHICH
from tests.devstack.demo.calls import ask
from tests.devstack.demo.test_management import SYSTEM, TOOLS

RESULT = {
    "role": "user",
    "content": "[Result of workspaces/w/automations/a/runs/r. An automation brought it.]\n"
    "> Automation: Morning news\n> Subject: “Another” name\n> ",
}
SPOKEN = [
    {"role": "user", "content": "delete “Bread”"},
    {"role": "assistant", "content": "“Morning news” is paused."},
]


READ_OUT = {
    "role": "assistant",
    "content": "[demo] I only read it out. The last result here of “Morning news”, “Another” "
    "name, says: A reader of “Bread” is well.",
}
TRACED = {
    "role": "assistant",
    "content": "“Another” is in your inbox. It is of a run of the automation “Morning news”.",
}
# quotes that name no automation
ASIDE = {
    "role": "assistant",
    "content": "Hello! Try “in two minutes tell me a joke”. I know “delete NAME”.",
}


@pytest.mark.parametrize(
    "before",
    [
        [RESULT],
        SPOKEN,
        [*SPOKEN, RESULT],
        [RESULT, *SPOKEN[:1], READ_OUT],
        [RESULT, *SPOKEN[:1], TRACED],
        [RESULT, *SPOKEN[:1], ASIDE],
    ],
)
@pytest.mark.parametrize(
    ("text", "tool", "more"),
    [
        ("delete it", "delete_automation", {}),
        ("pause it until Monday", "pause_automation", {"until": "2026-11-30T00:00:00+01:00"}),
        ("please skip the next one", "skip_next_slot", {}),
        ("don't skip tomorrow's run after all", "unskip_slots", {"day": "2026-11-26"}),
        ("don't skip it after all", "unskip_slots", {}),
        ("roll back to the version before", "roll_back_automation", {}),
        ("change it to 10:30", "update_automation", {"change": "Run it 10:30."}),
        (
            "send it to my mail too",
            "update_automation",
            {"change": "send it to my mail too"},
        ),
        (
            "send it to Discord and to my phone too, only when it changes",
            "update_automation",
            {"change": "send it to Discord and to my phone too, only when it changes"},
        ),
    ],
)
async def test_it_is_what_was_named_last(
    client: openai.AsyncOpenAI, before: list[Any], text: str, tool: str, more: dict[str, str]
) -> None:
    messages = [SYSTEM, *before, {"role": "user", "content": text}]
    message = await ask(client, "", messages=messages, tools=TOOLS)
    (call,) = message.tool_calls
    expected = {"automation": "Morning news", **more}
    assert (call.function.name, json.loads(call.function.arguments)) == (tool, expected)


async def test_where_nothing_was_named_it_asks(client: openai.AsyncOpenAI) -> None:
    message = await ask(client, "delete it", messages=[SYSTEM, *_said("delete it")], tools=TOOLS)
    assert message.content == WHICH


def _said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]
