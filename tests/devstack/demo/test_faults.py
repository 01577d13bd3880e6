"""What goes wrong when it is told to."""

import httpx2
import openai
import pytest
from langchain_openai import ChatOpenAI

from devstack.demo_model import DemoServer, demo_server
from tests.devstack.demo.calls import (
    CREATE,
    ask,
    chat_model,
    user,
)
from tests.support.calls import patient


async def test_a_limited_model_always_says_429_and_when_to_come_back(
    client: openai.AsyncOpenAI,
) -> None:
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as raised:
            await ask(client, "hello", model="demo-limited")
        assert raised.value.response.headers["retry-after"] == "1"
        assert raised.value.code == "rate_limit_exceeded"


async def test_a_429_by_directive_ends_after_its_times(demo: DemoServer) -> None:
    model, text = chat_model(demo), "hello <<status=429;times=2;retry_after=0.5>>"
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as raised:
            await model.ainvoke(text)
        assert raised.value.response.headers["retry-after"] == "0.5"
    assert "demo model" in (await model.ainvoke(text)).text


async def test_an_error_in_mid_stream_comes_after_the_words_before_it(demo: DemoServer) -> None:
    heard: list[str] = []
    with pytest.raises(openai.APIError) as raised:
        await _hear(chat_model(demo), "hello <<tokens=9;err_after=3>>", heard)
    assert "".join(heard) == "word1 word2 word3"
    assert raised.value.code == "rate_limit_exceeded"


async def test_a_dropped_connection_is_no_clean_end(demo: DemoServer) -> None:
    heard: list[str] = []
    with pytest.raises(openai.APIConnectionError):
        await _hear(chat_model(demo), "hello <<tokens=9;drop_after=3>>", heard)
    assert "".join(heard) == "word1 word2 word3"


@pytest.mark.parametrize("model", ["demo-mid429", "demo-drop"])
async def test_a_short_reply_of_a_faulty_model_fails_too(demo: DemoServer, model: str) -> None:
    with pytest.raises(openai.APIError):
        await _hear(chat_model(demo, model), "thanks", [])
    assert demo.controls.seen[0].outcome == "broken"


async def test_an_unanswered_tool_call_in_the_history_is_refused(
    client: openai.AsyncOpenAI,
) -> None:
    function = {"name": "create_automation", "arguments": "{}"}
    call = {"id": "call_1", "type": "function", "function": function}
    history = [*user("hello"), {"role": "assistant", "tool_calls": [call]}]
    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"status": "rejected"}'}
    for broken in ([*history, *user("so?")], history, [*user("hello"), result]):
        with pytest.raises(openai.BadRequestError, match="tool"):
            await ask(client, "", messages=broken)
    fine = await ask(client, "", messages=[*history, result], tools=[CREATE])
    assert fine.content == "Understood, I leave it at that."


@pytest.mark.parametrize("name", ["", "multi_tool_use.parallel", "te\0le"])
async def test_a_tool_with_a_name_that_none_may_have_is_refused_in_the_history(
    client: openai.AsyncOpenAI, name: str
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    history = [
        *user("hello"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{}"},
    ]
    with pytest.raises(openai.BadRequestError, match="does not match pattern"):
        await ask(client, "", messages=history)


async def test_a_wrong_key_is_refused_when_one_is_set() -> None:
    async with demo_server(api_key="right") as server:
        for key, expected in (("wrong", 401), ("right", 200)):
            headers = {"authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(headers=headers, timeout=patient.SECONDS) as http:
                answer = await http.get(f"{server.base_url}/models")
            assert answer.status_code == expected


async def test_a_body_that_is_no_request_is_refused(demo: DemoServer) -> None:
    async with httpx2.AsyncClient(base_url=demo.base_url, timeout=patient.SECONDS) as http:
        for body in (b"{", b"[]", b"{}", b'{"messages": []}', b'{"messages": [7]}'):
            answer = await http.post("/chat/completions", content=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"


async def _hear(model: ChatOpenAI, text: str, heard: list[str]) -> None:
    async for chunk in model.astream(text):
        heard.append(chunk.text)
