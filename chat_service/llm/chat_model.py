"""The chat model: langchain-openai's requests and messages, with a leaner stream.

The stock stream builds the SDK's typed object for every chunk and takes it apart again, which
is most of what a token costs. Here the chunk's JSON goes straight to the same conversion.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from chat_service.llm import usage
from chat_service.llm.chunks import coalesce, merge_chunks, text_key
from chat_service.llm.event_stream import BrokenStream, finish_reason, read_chunks
from chat_service.llm.finish_reason import normalize_reason
from chat_service.llm.text import clean
from chat_service.llm.tool_call_chunks import ToolCallAssembler


@dataclass(slots=True)
class CallProgress:
    """The progress of one model call. `tool_call_ids` holds the ids of the whole turn."""

    tool_call_ids: set[str] = field(default_factory=set)
    streamed: bool = False
    request: dict[str, Any] = field(default_factory=dict)
    bytes_written: int = 0


# a chunk of an answer: plain text, or anything else
ResponseChunk = str | AIMessageChunk


class StreamingChat(ChatOpenAI):
    """Holds no state of a call, so one serves many calls at once."""

    async def answer(
        self,
        messages: Sequence[BaseMessage],
        *,
        progress: CallProgress,
        on_chunk: Callable[[ResponseChunk], None] = lambda _: None,
        **settings: Any,
    ) -> AIMessage:
        """Returns the message that `ainvoke` would. Calls `on_chunk` with each chunk."""
        asked = {"stream": True, "stream_options": {"include_usage": True}, **settings}
        payload = self._get_request_payload(list(messages), **asked)
        progress.request = payload
        response = _ResponseBuilder(
            self, ToolCallAssembler(progress.tool_call_ids | _ids_in(messages)), progress
        )
        async with aclosing(coalesce(self._chunks(payload))) as came:
            async for chunks in came:
                for data in merge_chunks(chunks):
                    chunk = response.feed(data)
                    if chunk is not None:
                        on_chunk(chunk)
        rest = response.rest()
        if rest is not None:
            on_chunk(rest)
        return response.message()

    async def _chunks(self, payload: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        # the SDK would traverse the whole body if it were passed as arguments
        given = {"model": payload["model"], "messages": (), "stream": True, "extra_body": payload}
        async with (
            self.async_client.with_streaming_response.create(**given) as response,
            aclosing(read_chunks(response.iter_bytes(), response.http_request)) as chunks,
        ):
            async for data in chunks:
                yield data

    def to_chunk(
        self, data: dict[str, Any], calls: ToolCallAssembler, progress: CallProgress
    ) -> ChatGenerationChunk | None:
        """Converts a chunk to LangChain's. Raises BrokenStream."""
        try:
            delta = _prepare(data, calls)
            progress.bytes_written += _size(delta)
            chunk = self._convert_chunk_to_generation_chunk(data, AIMessageChunk, {})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise BrokenStream from exc
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if chunk is not None and isinstance(thought, str) and thought:
            chunk.message.additional_kwargs["reasoning_content"] = clean(thought)
        return chunk


class _ResponseBuilder:
    """Builds the answer of one call from its chunks. Plain text is converted at the end."""

    def __init__(
        self, chat: StreamingChat, calls: ToolCallAssembler, progress: CallProgress
    ) -> None:
        self._chat = chat
        self._calls = calls
        self._progress = progress
        self._plain: dict[str, Any] = {}  # the first of the chunks that brought `_texts`
        self._texts: list[str] = []
        self._whole: list[ChatGenerationChunk] = []
        self._finish = ""

    def feed(self, data: dict[str, Any]) -> ResponseChunk | None:
        """Adds a chunk; returns it if the caller should see it."""
        if text_key(data) == "content":
            return self._text(data)
        self._settle()
        chunk = self._chat.to_chunk(data, self._calls, self._progress)
        if chunk is None:
            return None
        self._finish = normalize_reason(finish_reason(data)) or self._finish
        self._progress.tool_call_ids |= self._calls.ids
        return self._keep(chunk)

    def rest(self) -> ResponseChunk | None:
        """Returns the tool calls that no earlier chunk has shown."""
        remaining = list(self._calls.remaining())
        if not remaining:
            return None
        self._settle()
        data = {"choices": [{"index": 0, "delta": {"tool_calls": remaining}}]}
        chunk = self._chat._convert_chunk_to_generation_chunk(data, AIMessageChunk, {})
        return None if chunk is None else self._keep(chunk)

    def message(self) -> AIMessage:
        """Returns the whole answer. Raises BrokenStream if no chunk came."""
        self._settle()
        if not self._whole:
            raise BrokenStream
        for chunk in self._whole:
            told = chunk.generation_info or {}
            if isinstance(chunk.message, AIMessageChunk) and chunk.message.tool_call_chunks:
                # the assembler parses them below
                chunk.message = chunk.message.model_copy(update={"tool_call_chunks": []})
            chunk.message.response_metadata = {**told, **chunk.message.response_metadata}
        (generation,) = generate_from_stream(iter(self._whole)).generations
        message = generation.message
        assert isinstance(message, AIMessage)
        # LangChain would complete arguments that were cut off
        message.tool_calls, message.invalid_tool_calls = self._calls.parse(self._finish)
        message.response_metadata["finish_reason"] = self._finish
        message.id = f"answer-{uuid4()}"
        return message

    def _keep(self, chunk: ChatGenerationChunk) -> ResponseChunk | None:
        self._whole.append(chunk)
        message = chunk.message
        if not isinstance(message, AIMessageChunk) or not _says_something(message):
            return None
        self._progress.streamed = True
        return message

    def _text(self, data: dict[str, Any]) -> str | None:
        text = clean(data["choices"][0]["delta"]["content"])
        if not self._texts:
            self._plain = data
        self._texts.append(text)
        if not text:
            return None
        self._progress.bytes_written += len(text.encode())
        self._progress.streamed = True
        return text

    def _settle(self) -> None:
        if not self._texts:
            return
        self._plain["choices"][0]["delta"]["content"] = "".join(self._texts)
        self._texts = []
        # a new CallProgress: its bytes are counted already
        chunk = self._chat.to_chunk(self._plain, self._calls, CallProgress())
        assert chunk is not None
        self._whole.append(chunk)


def _prepare(data: dict[str, Any], calls: ToolCallAssembler) -> dict[str, Any]:
    """Normalizes a chunk for the conversion; returns its delta."""
    if data.get("usage"):
        data["usage"] = usage.normalize_counts(data["usage"])
    choices = data.get("choices") or []
    delta: dict[str, Any] = (choices[0].get("delta") or {}) if choices else {}
    if isinstance(delta.get("refusal"), str):  # shown to the person like any answer
        delta["content"] = (delta.get("content") or "") + delta["refusal"]
    if isinstance(delta.get("content"), str):
        delta["content"] = clean(delta["content"])
    if delta.get("tool_calls"):
        delta["tool_calls"] = [call for call in delta["tool_calls"] if calls.normalize(call)]
    return delta


def _size(delta: dict[str, Any]) -> int:
    """Returns the bytes of text in a delta."""
    content = delta.get("content")
    if isinstance(content, str) and len(delta) == 1:  # nearly every chunk
        return len(content.encode(errors="replace"))
    said = [content, delta.get("reasoning_content") or delta.get("reasoning")]
    for call in delta.get("tool_calls") or ():
        said += [call["function"].get("name"), call["function"].get("arguments")]
    return sum(len(text.encode(errors="replace")) for text in said if isinstance(text, str))


def _ids_in(messages: Sequence[BaseMessage]) -> set[str]:
    return {
        str(call["id"])
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }


def _says_something(message: AIMessageChunk) -> bool:
    return bool(message.content or message.tool_call_chunks or message.additional_kwargs)
