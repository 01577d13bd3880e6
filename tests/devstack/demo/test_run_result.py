"""A question about the result of a run that stands in the conversation."""

import openai
import pytest

from tests.devstack.demo.calls import CREATE, ask, user

HEAD = "[Result of workspaces/w/automations/news/runs/r1, at 2026-11-23T08:00:00Z. …]"
LINES = ["Automation: News", "Subject: News of Monday", "", "Trains are late.", "", "Nothing else."]
RESULT = "\n".join([HEAD, *(f"> {line}" for line in LINES)])


@pytest.mark.parametrize("text", ["was there anything surprising?", "what did it say"])
async def test_the_newest_result_is_read_out(client: openai.AsyncOpenAI, text: str) -> None:
    older = RESULT.replace("Trains", "Ships")
    history = [*user(older), *user(RESULT), *user(text)]
    message = await ask(client, "", messages=history, tools=[CREATE])
    assert (
        "The last result here of “News”, “News of Monday”, says: Trains are late.\n\nNothing else."
        in message.content
    )
    assert not message.tool_calls


async def test_what_is_no_question_or_has_no_result_is_answered_as_ever(
    client: openai.AsyncOpenAI,
) -> None:
    for history in ([*user(RESULT), *user("I like trains")], user("was there anything new?")):
        message = await ask(client, "", messages=history, tools=[CREATE])
        assert "no good answer" in message.content
