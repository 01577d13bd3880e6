"""Asks about automations that exist already → the tools that manage them."""

import json
from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from devstack.demo.management import parse_management_call
from tests.devstack.demo.calls import ask, user

NOW = datetime(2026, 11, 25, 13, 20, tzinfo=UTC)
SYSTEM = {
    "role": "system",
    "content": "Now (UTC): 2026-11-25T13:20:00Z\nPerson's time zone: Europe/Paris",
}
NAMES = (
    "create_automation",
    "update_automation",
    "pause_automation",
    "resume_automation",
    "skip_next_slot",
    "unskip_slots",
    "backfill_slots",
    "roll_back_automation",
    "delete_automation",
    "list_inbox",
    "explain_result",
    "list_automations",
    "list_destinations",
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
        ("where can the results be sent?", "list_destinations", {}),
        ("show me the destinations", "list_destinations", {}),
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
        (
            "pause Morning news until Monday because nobody reads it",
            "pause_automation",
            {
                "automation": "Morning news",
                "until": "2026-11-30T00:00:00+01:00",
                "note": "nobody reads it",
            },
        ),
        (
            "pause Morning news until tomorrow at 14:00.",
            "pause_automation",
            {"automation": "Morning news", "until": "2026-11-26T14:00:00+01:00"},
        ),
        ("skip the next run of Morning news", "skip_next_slot", {"automation": "Morning news"}),
        ("skip the next Morning news", "skip_next_slot", {"automation": "Morning news"}),
        (
            "please skip tomorrow's Morning news because of a holiday",
            "skip_next_slot",
            {"automation": "Morning news", "day": "2026-11-26", "note": "of a holiday"},
        ),
        (
            "don't skip tomorrow's run of Morning news after all",
            "unskip_slots",
            {"automation": "Morning news", "day": "2026-11-26"},
        ),
        (
            "Please do not skip Friday’s Morning news, after all!",
            "unskip_slots",
            {"automation": "Morning news", "day": "2026-11-27"},
        ),
        ("don’t skip Morning news after all", "unskip_slots", {"automation": "Morning news"}),
        ("unskip the next run of Morning news", "unskip_slots", {"automation": "Morning news"}),
        (
            "take back all skips of “Morning news”",
            "unskip_slots",
            {"automation": "Morning news", "day": "all"},
        ),
        ("please delete “Morning news”.", "delete_automation", {"automation": "Morning news"}),
        ("roll back Morning news", "roll_back_automation", {"automation": "Morning news"}),
        (
            "roll back Morning news to the version before",
            "roll_back_automation",
            {"automation": "Morning news"},
        ),
        (
            "Roll Morning news back to version 12!",
            "roll_back_automation",
            {"automation": "Morning news", "version": "12"},
        ),
        ("what came in this week?", "list_inbox", {"start": "2026-11-23T00:00:00+01:00"}),
        (
            "What came in yesterday?",
            "list_inbox",
            {"start": "2026-11-24T00:00:00+01:00", "end": "2026-11-25T00:00:00+01:00"},
        ),
        ("what's unread?", "list_inbox", {"state": "unread"}),
        ("why did I get this?", "explain_result", {}),
        ("Where does Morning news come from?", "explain_result", {"result": "Morning news"}),
        (
            "send Morning news to Slack too",
            "update_automation",
            {"automation": "Morning news", "change": "send it to Slack too"},
        ),
        (
            "please don't mail “Morning news” any more.",
            "update_automation",
            {"automation": "Morning news", "change": "please don't mail it any more."},
        ),
        (
            "tell me of Morning news only when it changes",
            "update_automation",
            {"automation": "Morning news", "change": "tell me only when it changes"},
        ),
        ("resume Morning news!", "resume_automation", {"automation": "Morning news"}),
        (
            "please make up for Morning news of yesterday at 9",
            "backfill_slots",
            {"automation": "Morning news", "start": "2026-11-24T09:00:00+01:00"},
        ),
        (
            "why did Morning news not run at 9 yesterday?",
            "explain_slot",
            {"automation": "Morning news", "moment": "2026-11-24T09:00:00+01:00"},
        ),
        (
            "why didn't Morning news run on Monday at 9 Asia/Tokyo?",
            "explain_slot",
            {
                "automation": "Morning news",
                "moment": "2026-11-23T09:00:00+09:00",
                "time_zone": "Asia/Tokyo",
            },
        ),
    ],
)
async def test_an_ask_becomes_a_call(
    client: openai.AsyncOpenAI, text: str, tool: str, arguments: dict[str, str]
) -> None:
    message = await ask(client, "", messages=[SYSTEM, *user(text)], tools=TOOLS)
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (tool, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "every day at 9 list the new automations of my competitors",
        "pause the music every day at 9",
        "delete the old backups every day at 9",
        "don't skip the stretching every day at 9",
        "move the boxes to the cellar every day at 9",
    ],
)
async def test_work_on_a_schedule_is_still_set_up(client: openai.AsyncOpenAI, text: str) -> None:
    message = await ask(client, text, tools=TOOLS)
    assert [call.function.name for call in message.tool_calls] == ["create_automation"]


@pytest.mark.parametrize("moment", ["", " last week", " at 9 the day before yesterday"])
async def test_a_moment_that_was_not_said_is_asked_for(
    client: openai.AsyncOpenAI, moment: str
) -> None:
    message = await ask(client, f"why did the news not run{moment}?", tools=TOOLS)
    assert message.content == "When should it have run?"


@pytest.mark.parametrize("end", ["further notice", "yesterday", "Monday week"])
async def test_an_end_that_is_no_moment_is_asked_for(client: openai.AsyncOpenAI, end: str) -> None:
    message = await ask(client, f"pause the news until {end}", tools=TOOLS)
    assert message.content == "Until when should it be paused?"


def test_what_is_not_offered_is_not_called() -> None:
    assert parse_management_call("pause the news", ["create_automation"], NOW) is None
