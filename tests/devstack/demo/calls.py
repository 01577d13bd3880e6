"""Calling the demo model, in few words."""

from typing import Any

import openai
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionChunk
from pydantic import SecretStr

from devstack.demo_model import DemoServer

CREATE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "create_automation",
        "parameters": {
            "type": "object",
            "properties": {"intent": {"type": "string"}},
            "required": ["intent"],
        },
    },
}


def chat_model(demo: DemoServer, model: str = "demo", **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=model,
        base_url=demo.base_url,
        api_key=SecretStr("any"),
        max_retries=0,
        stream_usage=True,
        **more,
    )


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


async def ask(client: openai.AsyncOpenAI, text: str, **more: Any) -> Any:
    answer = await client.chat.completions.create(
        model=more.pop("model", "demo"), messages=more.pop("messages", user(text)), **more
    )
    return answer.choices[0].message


async def streamed(model: Runnable[Any, AIMessage], text: str) -> list[AIMessageChunk]:
    chunks = [chunk async for chunk in model.astream(text)]
    return [chunk for chunk in chunks if isinstance(chunk, AIMessageChunk)]


def assembled(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return chunks[0] + chunks[1:]


async def pieces(client: openai.AsyncOpenAI, text: str, **more: Any) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=more.pop("model", "demo"), messages=user(text), stream=True, **more
    )
    return [chunk async for chunk in stream]
