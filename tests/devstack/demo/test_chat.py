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
            {"status": "invalid", "issues": ["moment: give a date and a time of day"]},
            "I need to know more: give a date and a time of day.",
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
