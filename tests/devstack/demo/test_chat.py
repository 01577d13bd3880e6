"""Talk, and asks that become tool calls."""

import json
from typing import Any

import openai
import pytest

from tests.devstack.demo.calls import (
    CREATE,
    ask,
    user,
)


@pytest.mark.parametrize("text", ["hello", "Hi there!", "what can you do?", "tell me of Plato"])
async def test_small_talk_says_honestly_that_it_is_a_demo(
    client: openai.AsyncOpenAI, text: str
) -> None:
    message = await ask(client, text, tools=[CREATE])
    assert not message.tool_calls
    assert "offline demo model" in message.content


@pytest.mark.parametrize(
    "text",
    [
        "when it rains close the windows",
        "whenever my boss mails me, reply politely",
        "every full moon howl",
        "remind me as soon as the build is green",
        "every 30 seconds check the queue",
        "every 0 minutes check the queue",
        "every third Monday at 9 water the plants",
        "every day at 25:00 sleep",
    ],
)
async def test_what_no_schedule_can_say_is_refused_in_words(
    client: openai.AsyncOpenAI, text: str
) -> None:
    message = await ask(client, text, tools=[CREATE])
    assert not message.tool_calls
    assert message.content.startswith("I cannot schedule that")
    assert "Only times can be triggers" in message.content


async def test_a_missing_time_is_asked_for_and_then_used(client: openai.AsyncOpenAI) -> None:
    first = "every weekday summarise the news"
    question = (await ask(client, first, tools=[CREATE])).content
    assert question.startswith("At what time")
    history = [*user(first), {"role": "assistant", "content": question}, *user("at 9 in Paris")]
    message = await ask(client, "", messages=history, tools=[CREATE])
    assert json.loads(message.tool_calls[0].function.arguments) == {
        "intent": "Every weekday at 09:00 in Europe/Paris: summarise the news."
    }


async def test_directives_stay_out_of_the_intent_but_for_the_drafters(
    client: openai.AsyncOpenAI,
) -> None:
    message = await ask(
        client, "every minute say hi <<delay=0;tokens=3;draft=bad>>", tools=[CREATE]
    )
    intent = json.loads(message.tool_calls[0].function.arguments)["intent"]
    assert intent == "Every minute: say hi. <<draft=bad>>"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            {"status": "saved", "display_name": "News", "next_fires": ["Monday 09:00"]},
            "“News” is saved. It fires next at Monday 09:00.",
        ),
        (
            {
                "status": "saved",
                "display_name": "News",
                "next_fires": ["2027-03-03T09:00:00+01:00 Europe/Paris"],
            },
            "“News” is saved. It fires next at 2027-03-03 09:00 (Europe/Paris).",
        ),
        (
            {"status": "rejected", "reason": "Too early."},
            "Understood, I leave it at that (Too early).",
        ),
        (
            {"status": "invalid", "issues": [{"field": "cron", "description": "six fields"}]},
            "That did not become a valid automation: cron: six fields.",
        ),
        (
            {"status": "invalid", "issues": ["It is not sent to Slack, as there is none yet."]},
            "It is not sent to Slack, as there is none yet.",
        ),
        (
            {"status": "invalid", "issues": ["moment: give a date and a time of day"]},
            "I need to know more: give a date and a time of day.",
        ),
        (
            {
                "status": "invalid",
                "issues": [
                    "automation: 'joke' may be any of these, so ask which is meant: “A joke” (At "
                    "09:00, active; workspaces/w/automations/1), “A joke” (At 10:00, paused; "
                    "workspaces/w/automations/2)"
                ],
            },
            "Which one do you mean: “A joke” (At 09:00, active), “A joke” (At 10:00, paused)?",
        ),
        (
            {
                "status": "invalid",
                "issues": ["Several destinations fit “email”: “a” (email). Which one is meant?"],
            },
            "Several destinations fit “email”: “a” (email). Which one is meant?",
        ),
        (
            {"status": "unchanged", "display_name": "News", "message": "It is like that."},
            "“News” is like that already, so there is nothing to change.",
        ),
        (
            {"status": "saved", "display_name": "News", "not_sent": ["It is not sent to Slack."]},
            "“News” is saved. It is not sent to Slack.",
        ),
        (
            {"status": "error", "message": "The service is away."},
            "I am sorry, that went wrong: The service is away.",
        ),
    ],
)
async def test_what_came_of_a_call_is_acknowledged_and_not_tried_again(
    client: openai.AsyncOpenAI, result: dict[str, Any], expected: str
) -> None:
    first = user("every minute say hi")
    asked = await ask(client, "", messages=first, tools=[CREATE])
    told = {
        "role": "tool",
        "tool_call_id": asked.tool_calls[0].id,
        "content": json.dumps(result),
    }
    history = [*first, asked.model_dump(exclude_none=True), told]
    message = await ask(client, "", messages=history, tools=[CREATE])
    assert message.content == expected
    assert not message.tool_calls


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            "what failed?",
            "These failed:\nNews failed, Monday 09:00: No model\nWeather, Monday 10:00: Timeout",
        ),
        ("did anything fail today?", "These failed:"),
        ("which runs failed this week?", "These failed:"),
        ("what came in today?", "1 unread in your inbox.\nNews failed"),
    ],
)
async def test_what_failed_is_told_without_the_rest(
    client: openai.AsyncOpenAI, asked: str, expected: str
) -> None:
    tool = {"type": "function", "function": {"name": "list_inbox", "parameters": {}}}
    calling = await ask(client, "", messages=user(asked), tools=[CREATE, tool])
    (call,) = calling.tool_calls
    assert call.function.name == "list_inbox"
    items = [
        {"kind": "run_failed", "subject": "News failed", "first_line": "No model"},
        {"kind": "result", "subject": "A joke", "first_line": "Ha"},
    ]
    runs = [
        {"display_name": "Weather", "state": "failed", "first_line": "Timeout"},
        {"display_name": "Bread", "state": "succeeded", "first_line": "Warm"},
    ]
    found = {
        "status": "inbox",
        "unread_in_all": 1,
        "items": [{**one, "time": "Monday 09:00"} for one in items],
        "other_runs": [{**one, "time": "Monday 10:00"} for one in runs],
    }
    told = {"role": "tool", "tool_call_id": call.id, "content": json.dumps(found)}
    history = [*user(asked), calling.model_dump(exclude_none=True), told]
    message = await ask(client, "", messages=history, tools=[CREATE, tool])
    assert message.content.startswith(expected)
    assert ("A joke" in message.content) == ("came in" in asked)
