"""The chat model: langchain-openai's requests and messages, with a leaner stream.

The stock stream builds the SDK's typed object for every chunk and takes it apart again, which
is most of what a token costs. Here the chunk's JSON goes straight to the same conversion.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import openai
import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from chat_service.agent.gathering import handfuls, joined
from chat_service.agent.text import clean


class BrokenStream(Exception):
    """The provider sent what is no chat completion."""


@dataclass(slots=True)
class Watch:
    """What one model call did. `taken` holds the tool call ids of the whole turn."""

    taken: set[str] = field(default_factory=set)
    streamed: bool = False
    asked: dict[str, Any] = field(default_factory=dict)  # the request
    written: int = 0  # bytes of what it said


class StreamingChat(ChatOpenAI):
    """Takes a `watch` among its call arguments."""

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        watch: Watch | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        watch = watch or Watch()
        calls = _ToolCalls(watch.taken | _ids_in(messages))
        kwargs |= {"stream": True, "stream_options": {"include_usage": True}}
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        watch.asked = payload
        async with aclosing(self._pieces(payload)) as pieces:
            async for data in pieces:
                chunk = self._convert(data, calls, watch)
                if chunk is None:
                    continue
                watch.taken |= calls.given
                watch.streamed = watch.streamed or _says_something(chunk.message)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _pieces(self, payload: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(handfuls(self._chunks(payload))) as came:
            async for chunks in came:
                for piece in joined(chunks):
                    yield piece

    async def _chunks(self, payload: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        finished = False
        async with self.async_client.with_streaming_response.create(**payload) as response:
            request = response.http_request
            try:
                async for line in response.iter_lines():
                    if not line.startswith("data:"):
                        continue
                    text = line[5:].strip()
                    if text == "[DONE]":
                        finished = True
                        break
                    data = _parse(text)
                    _raise_error(data, request)
                    finished = finished or _finishes(data)
                    yield data
            except httpx2.TimeoutException as exc:
                raise openai.APITimeoutError(request) from exc
            except httpx2.HTTPError as exc:
                raise openai.APIConnectionError(request=request) from exc
        if not finished:
            raise openai.APIConnectionError(message="the stream ended early", request=request)

    def _convert(
        self, data: dict[str, Any], calls: "_ToolCalls", watch: Watch
    ) -> ChatGenerationChunk | None:
        try:
            delta = _prepare(data, calls)
            watch.written += _size(delta)
            chunk = self._convert_chunk_to_generation_chunk(data, AIMessageChunk, {})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise BrokenStream from exc
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if chunk is not None and isinstance(thought, str) and thought:
            chunk.message.additional_kwargs["reasoning_content"] = clean(thought)
        return chunk


class _ToolCalls:
    """Gives every tool call of a stream one id, said once, that nobody else has."""

    def __init__(self, taken: set[str]) -> None:
        self.given: set[str] = set()
        self._taken = taken
        self._ids: dict[int, str] = {}  # what the provider called it, by index
        self._names: dict[int, str] = {}

    def tidy(self, call: dict[str, Any]) -> None:
        index = self._index(call)
        call["index"] = index
        if index in self._ids:
            call["id"] = None  # repeated ids would be joined to one long one
        else:
            self._ids[index] = str(call.get("id") or "")
            call["id"] = self._unique(self._ids[index])
        function = call.setdefault("function", {})
        if function.get("name") and function["name"] == self._names.get(index):
            function["name"] = None
        elif function.get("name"):
            self._names[index] = function["name"]

    def _index(self, call: dict[str, Any]) -> int:
        if isinstance(call.get("index"), int):
            return int(call["index"])
        known = [index for index, sent in self._ids.items() if sent == call.get("id")]
        new = len(self._ids) if call.get("id") else max(len(self._ids) - 1, 0)
        return known[0] if known else new

    def _unique(self, sent: str) -> str:
        wanted = clean(sent) or f"call_{uuid4().hex[:16]}"
        unique, number = wanted, 1
        while unique in self._taken or unique in self.given:
            number += 1
            unique = f"{wanted}-{number}"
        self.given.add(unique)
        return unique


def _prepare(data: dict[str, Any], calls: _ToolCalls) -> dict[str, Any]:
    """Makes a chunk fit to be converted; returns its delta."""
    choices = data.get("choices") or []
    delta: dict[str, Any] = (choices[0].get("delta") or {}) if choices else {}
    if isinstance(delta.get("content"), str):
        delta["content"] = clean(delta["content"])
    for call in delta.get("tool_calls") or ():
        calls.tidy(call)
    return delta


def _parse(text: str) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        # lone surrogates, which orjson refuses
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise BrokenStream from exc
    if not isinstance(data, dict):
        raise BrokenStream
    return data


def _raise_error(data: dict[str, Any], request: Any) -> None:
    error = data.get("error")
    if error:
        body = error if isinstance(error, dict) else {"message": str(error)}
        raise openai.APIError(str(body.get("message", "")), request=request, body=body)


def _size(delta: dict[str, Any]) -> int:
    """Bytes of what a chunk says."""
    content = delta.get("content")
    if isinstance(content, str) and len(delta) == 1:  # nearly every chunk
        return len(content.encode(errors="replace"))
    said = [content, delta.get("reasoning_content") or delta.get("reasoning")]
    for call in delta.get("tool_calls") or ():
        said += [call["function"].get("name"), call["function"].get("arguments")]
    return sum(len(text.encode(errors="replace")) for text in said if isinstance(text, str))


def _finishes(data: dict[str, Any]) -> bool:
    choices = data.get("choices") or [{}]
    return bool(choices[0].get("finish_reason"))


def _ids_in(messages: list[BaseMessage]) -> set[str]:
    return {
        str(call["id"])
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }


def _says_something(message: BaseMessage) -> bool:
    return isinstance(message, AIMessageChunk) and bool(
        message.content or message.tool_call_chunks or message.additional_kwargs
    )
