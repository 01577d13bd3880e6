"""The OpenAI wire: pieces, usage, tool calls."""

import json

import openai
import pytest

from devstack.demo_model import DemoServer
from tests.devstack.demo.calls import (
    CREATE,
    ask,
    assembled,
    chat_model,
    pieces,
    streamed,
    user,
)


async def test_text_is_streamed_in_pieces_with_usage_in_the_last(demo: DemoServer) -> None:
    chunks = await streamed(chat_model(demo), "hello <<tokens=7>>")
    whole = assembled(chunks)
    assert whole.content == "word1 word2 word3 word4 word5 word6 word7"
    assert sum(bool(chunk.content) for chunk in chunks) == 7
    assert whole.usage_metadata
    assert whole.usage_metadata["output_tokens"] == 7
    assert whole.response_metadata["model_name"] == "demo"
    assert whole.response_metadata["finish_reason"] == "stop"


async def test_usage_is_sent_only_when_it_is_asked_for(client: openai.AsyncOpenAI) -> None:
    plain = await pieces(client, "hello")
    counted = await pieces(client, "hello", stream_options={"include_usage": True})
    assert [chunk.usage for chunk in plain] == [None] * len(plain)
    assert counted[-1].usage
    assert counted[-1].choices == []
    assert counted[-2].choices[0].finish_reason == "stop"


async def test_the_same_words_come_without_streaming(client: openai.AsyncOpenAI) -> None:
    streamed = await pieces(client, "thank you")
    whole = await ask(client, "thank you")
    text = "".join(c.choices[0].delta.content or "" for c in streamed)
    assert whole.content == text == "You are welcome!"


async def test_a_tool_call_comes_in_pieces_that_make_valid_json(client: openai.AsyncOpenAI) -> None:
    chunks = await pieces(client, "every day at 7 in Rome water the plants", tools=[CREATE])
    calls = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].function
    assert (calls[0].function.name, calls[0].function.arguments) == ("create_automation", "")
    assert calls[0].id
    assert len(calls) > 3
    assert all(call.id is None for call in calls[1:])
    arguments = "".join(c.function.arguments or "" for c in calls if c.function)
    assert json.loads(arguments) == {
        "intent": "Every day at 07:00 in Europe/Rome: water the plants."
    }
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_parallel_calls_are_assembled_by_langchain(demo: DemoServer) -> None:
    model = chat_model(demo).bind_tools([CREATE])
    text = "every day at 7 water the plants, and also in two minutes tell me a joke"
    whole = assembled(await streamed(model, text))
    assert [call["args"]["intent"] for call in whole.tool_calls] == [
        "Every day at 07:00: water the plants.",
        "In 2 minutes, once: tell me a joke.",
    ]


async def test_calls_can_be_dictated(client: openai.AsyncOpenAI) -> None:
    wanted = [{"name": "create_automation", "args": {"intent": "x; y"}}] * 2
    message = await ask(client, f"go <<delay=0;calls={json.dumps(wanted)}>>", tools=[CREATE])
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == [
        {"intent": "x; y"}
    ] * 2
    assert len({call.id for call in message.tool_calls}) == 2


async def test_max_tokens_cuts_the_reply(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="demo", messages=user("<<tokens=9>>"), max_completion_tokens=4
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 4


async def test_the_only_model_is_clearly_a_demo(client: openai.AsyncOpenAI) -> None:
    models = await client.models.list()
    assert [(model.id, model.owned_by) for model in models.data] == [("demo", "rota-demo")]
    with pytest.raises(openai.NotFoundError, match="only `demo`"):
        await ask(client, "hello", model="gpt-4o")
