"""The chat model: langchain-openai's requests and messages, with a leaner stream.

The stock stream builds the SDK's typed object for every chunk and takes it apart again, which
is most of what a token costs. Here the chunk's JSON goes straight to the same conversion.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from chat_service.llm import usage
from chat_service.llm.features.returned_members import ReturnedMembers, add_returned, source_of
from chat_service.llm.finish_reason import normalize_reason
from chat_service.llm.stream.chunks import Chunk, coalesce, merge_chunks, text_key
from chat_service.llm.stream.delta import take_words
from chat_service.llm.stream.event_stream import BrokenStream, finish_reason, read_chunks
from chat_service.llm.stream.thought_tags import Piece, Retraction, Thought, ThoughtSplitter
from chat_service.llm.tool_calls.assembler import ToolCallAssembler, ToolCallChunk
from shared.db.storable_text import clean

# in a message's metadata: what was done to arguments of tool calls, by id
REPAIRS: Final = "repairs"
# what reading a chunk of no known form raises
_ODD_FORMS: Final = (
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
# in a message's metadata: the text is the model's refusal to answer
REFUSED: Final = "refused"


@dataclass(slots=True)
class CallProgress:
    """The progress of one model call. `tool_call_ids` holds the ids of the whole turn."""

    tool_call_ids: set[str] = field(default_factory=set)
    streamed: bool = False
    request: dict[str, Any] = field(default_factory=dict)
    bytes_written: int = 0


# what an answer brings: its text, the model's thoughts, and chunks of tool calls
ResponseChunk = Piece | ToolCallChunk


class StreamingChat(ChatOpenAI):
    """Holds no state of a call, so one serves many calls at once."""

    async def answer(
        self,
        messages: Sequence[BaseMessage],
        *,
        progress: CallProgress,
        on_chunk: Callable[[ResponseChunk], None] = lambda _: None,
        adapt: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request,
        **settings: Any,
    ) -> AIMessage:
        """Returns the message that `ainvoke` would. Calls `on_chunk` with each chunk.

        `adapt` returns the request that is sent.

        Its text has no thoughts; they are in `additional_kwargs["reasoning_content"]`. Its finish
        reason is that of the OpenAI API, if it has that meaning. Its metadata has REPAIRS, if any.
        What its provider wants back goes back with it, to the same model (`returned_members`).
        """
        asked = {"stream": True, "stream_options": {"include_usage": True}, **settings}
        payload = self._get_request_payload(list(messages), **asked)
        source = source_of(self.openai_api_base, self.model_name)
        add_returned(payload["messages"], messages, source)
        payload = adapt(payload)
        progress.request = payload
        taken = progress.tool_call_ids | _ids_in(messages)
        response = _ResponseBuilder(
            self, ToolCallAssembler(taken, _names(settings.get("tools"))), progress
        )
        async with aclosing(coalesce(self._chunks(payload))) as came:
            async for chunks in came:
                for data in merge_chunks(chunks):
                    for chunk in response.feed(data):
                        on_chunk(chunk)
        for chunk in response.rest():
            on_chunk(chunk)
        return response.message(source)

    async def _chunks(self, payload: dict[str, Any]) -> AsyncGenerator[list[Chunk], None]:
        # the SDK would traverse the whole body if it were passed as arguments
        given = {"model": payload["model"], "messages": (), "stream": True, "extra_body": payload}
        async with (
            self.async_client.with_streaming_response.create(**given) as response,
            aclosing(read_chunks(response.iter_bytes(), response.http_request)) as chunks,
        ):
            async for found in chunks:
                yield found

    def convert(self, data: dict[str, Any]) -> ChatGenerationChunk | None:
        """Converts a chunk to LangChain's. Raises BrokenStream."""
        try:
            return self._convert_chunk_to_generation_chunk(data, AIMessageChunk, {})
        except _ODD_FORMS as exc:
            raise BrokenStream from exc


class _ResponseBuilder:
    """Builds the answer of one call from its chunks. Its words are kept apart from the rest."""

    def __init__(
        self, chat: StreamingChat, calls: ToolCallAssembler, progress: CallProgress
    ) -> None:
        self._chat = chat
        self._calls = calls
        self._progress = progress
        self._splitter = ThoughtSplitter()
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._plain: dict[str, Any] | None = None  # the first of the chunks of plain text
        self._others: list[ChatGenerationChunk] = []
        self._finish = ""
        self._refused = False
        self._usage: dict[str, Any] = {}
        self._returned = ReturnedMembers()
        self._answer: Any = None  # the index of the one that is read

    def feed(self, data: Chunk) -> Iterable[ResponseChunk]:
        """Adds a chunk; returns what the caller should see of it. Raises BrokenStream."""
        if isinstance(data, str):
            return () if self._answer else self._add_text(data)
        if text_key(data) == "content" and not self._answer:
            self._answer = 0  # others have an index
            self._plain = self._plain or data
            return self._add_text(data["choices"][0]["delta"]["content"])
        self._drop_other_answers(data)
        self._refused |= _is_refusal(data)
        try:
            self._take_usage(data)
            words, calls, size = _prepare(data, self._calls, self._returned)
        except _ODD_FORMS as exc:
            raise BrokenStream from exc
        self._progress.bytes_written += size
        self._finish = normalize_reason(finish_reason(data)) or self._finish
        chunk = self._chat.convert(data)
        if chunk is None:
            return ()
        self._progress.tool_call_ids |= self._calls.ids
        found: list[ResponseChunk] = []
        for one in words:
            found += self._keep(self._read(one))
        self._others.append(chunk)
        return [*found, *self._keep_calls(calls)]

    def _add_text(self, text: str) -> Sequence[Piece]:
        text = clean(text)
        self._progress.bytes_written += len(text.encode())
        return self._keep(self._splitter.read(text))

    def rest(self) -> Iterable[ResponseChunk]:
        """Returns the words and the tool calls that no earlier chunk has shown."""
        found: list[ResponseChunk] = [*self._keep(self._splitter.close())]
        return [*found, *self._keep_calls(self._calls.remaining(silent=not any(self._text)))]

    def message(self, source: str) -> AIMessage:
        """Returns the whole answer, from a `source`. Raises BrokenStream if no chunk came."""
        if not self._others and self._plain is not None:
            self._plain["choices"][0]["delta"]["content"] = ""
            self._others += filter(None, [self._chat.convert(self._plain)])
        if not self._others:
            raise BrokenStream
        if self._usage:
            self._others += filter(
                None, [self._chat.convert({"choices": [], "usage": self._usage})]
            )
        for chunk in self._others:
            told = chunk.generation_info or {}
            chunk.message.response_metadata = {**told, **chunk.message.response_metadata}
        (generation,) = generate_from_stream(iter(self._others)).generations
        message = generation.message
        assert isinstance(message, AIMessage)
        message.content = "".join(self._text)
        if thoughts := "".join(self._thoughts):
            message.additional_kwargs["reasoning_content"] = thoughts
        # LangChain would complete arguments that were cut off
        message.tool_calls, message.invalid_tool_calls = self._calls.parse(self._finish)
        message.response_metadata["finish_reason"] = self._finish
        message.additional_kwargs |= self._returned.kept(self._calls.members, source)
        if self._refused:
            message.response_metadata[REFUSED] = True
        if self._calls.repairs:
            message.response_metadata[REPAIRS] = {
                call: list(done) for call, done in self._calls.repairs.items()
            }
        message.id = f"answer-{uuid4()}"
        return message

    def _drop_other_answers(self, data: dict[str, Any]) -> None:
        """Leaves only the answer that came first, should a provider give several."""
        choices = data.get("choices")
        if not isinstance(choices, list):
            return
        told = [one.get("index") or 0 for one in choices if isinstance(one, Mapping)]
        if self._answer is None and told:
            self._answer = told[0]
        if any(index != self._answer for index in told):
            data["choices"] = [
                one
                for one in choices
                if isinstance(one, Mapping) and (one.get("index") or 0) == self._answer
            ]

    def _take_usage(self, data: dict[str, Any]) -> None:
        """Takes the usage out of a chunk; LangChain would add up running totals."""
        told = usage.normalize_counts(usage.find_usage(data))
        if told:
            self._usage = usage.greatest_counts(self._usage, told)
        data.pop("usage", None)

    def _read(self, words: str | Thought) -> Sequence[Piece]:
        if isinstance(words, str):
            return self._splitter.read(words)
        self._splitter.note_thought()
        return (words,)

    def _keep(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        for piece in pieces:
            match piece:
                case str():
                    self._text.append(piece)
                case Thought(text=text):
                    self._thoughts.append(text)
                case Retraction(thought=text):
                    self._text.clear()
                    self._thoughts.append(text)
        self._progress.streamed |= bool(pieces)
        return pieces

    def _keep_calls(self, chunks: Iterable[ToolCallChunk]) -> Sequence[ResponseChunk]:
        if not (found := list(chunks)):
            return ()
        self._progress.streamed = True
        return [*self._keep(self._splitter.settle()), *found]


def _prepare(
    data: dict[str, Any], calls: ToolCallAssembler, returned: ReturnedMembers
) -> tuple[list[str | Thought], list[ToolCallChunk], int]:
    """Takes the words and the calls out of a chunk, and counts all its bytes."""
    choices = data.get("choices") or []
    delta: dict[str, Any] = (choices[0].get("delta") or {}) if choices else {}
    returned.read(delta)
    words = take_words(delta) if delta else []
    said = [one if isinstance(one, str) else one.text for one in words]
    chunks = calls.take(delta)
    for chunk in chunks:
        said += [chunk.name or "", chunk.args]
    return words, chunks, sum(len(text.encode(errors="replace")) for text in said)


def _is_refusal(data: Mapping[str, Any]) -> bool:
    """Returns whether a chunk holds a part of a refusal, which comes in a field of its own."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    delta = choice.get("delta") if isinstance(choice, Mapping) else None
    return isinstance(delta, Mapping) and bool(delta.get("refusal"))


def _names(tools: Sequence[Mapping[str, Any]] | None) -> list[str]:
    return [tool["function"]["name"] for tool in tools or ()]


def _ids_in(messages: Sequence[BaseMessage]) -> set[str]:
    return {
        str(call["id"])
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }
