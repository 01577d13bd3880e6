"""Streams and refusals made from a grammar: forms that no provider was seen to send, but may.

The text, the usage and the fault that are expected come from the parts that were drawn.
"""

import itertools
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from chat_service.llm.chat_model import CallProgress, StreamingChat
from chat_service.llm.errors import PROVIDER_FAULTS
from chat_service.llm.features.feature_refusal import find_refused
from chat_service.llm.stream.thought_tags import Thought
from tests.chat_service.llm.features.test_feature_refusal import REQUEST, error
from tests.support.model_providers.scripted_model import Refused

WORDS = st.text("abcü 😀\n{}[],:\"'", min_size=1, max_size=12).map(lambda text: f"w{text}")


@dataclass
class Told:
    """A stream's bytes by event, and what should be read of it."""

    events: list[bytes] = field(default_factory=list)
    text: str = ""
    thought: str = ""
    tokens: int = 0
    fails: bool = False


class Writer:
    """Writes events with the freedoms that the format gives."""

    def __init__(self, draw: st.DataObject) -> None:
        self._draw = draw
        self._end = self.choose(b"\n", b"\r\n", b"\r")
        self.told = Told()

    def choose(self, *values: Any) -> Any:
        return self._draw.draw(st.sampled_from(values))

    def text(self) -> str:
        return self._draw.draw(WORDS)

    def event(self, data: Any, name: bytes = b"") -> None:
        text = json.dumps(data, ensure_ascii=self.choose(True, False), indent=self.choose(None, 1))
        lines = [b"data:" + self.choose(b"", b" ") + line.encode() for line in text.split("\n")]
        before = self.choose([], [b"id: 7"], [b"event: message"], [b": comment"])
        head = [b"event: " + name] if name else before
        self.told.events.append(self._end.join([*head, *lines, b"", b""]))

    def raw(self, line: bytes) -> None:
        self.told.events.append(line + self._end * 2)

    def chunk(self, delta: dict[str, Any], index: int = 0, **more: Any) -> None:
        choice = {"index": index, "delta": delta, **more}
        if index == 0 and self.choose(True, False):
            choice |= {"logprobs": None, "finish_reason": more.get("finish_reason")}
        body = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
        self.event(body | self.choose({}, {"model": "m", "created": 1}, {"x_groq": {"id": "r"}}))


def write_part(writer: Writer, kind: str) -> None:
    told = writer.told
    match kind:
        case "text":
            text = writer.text()
            told.text += text
            odd = writer.choose({}, {"role": "assistant"}, {"tool_calls": []}, {"refusal": None})
            writer.chunk({"content": text, **odd})
        case "thought":
            text = writer.text()
            told.thought += text
            name = writer.choose("reasoning_content", "reasoning", "reasoning_text")
            writer.chunk({name: text, **writer.choose({}, {"content": ""}, {"content": None})})
        case "silence":
            writer.chunk(writer.choose({}, {"content": ""}, {"role": "assistant", "content": ""}))
        case "other":
            writer.chunk({"content": "OTHER"}, index=1)
        case "usage":
            told.tokens = max(told.tokens, count := writer.choose(1, 5, 9))
            usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": 2 * count}
            writer.event({"choices": [], "usage": usage})
        case "ping":
            writer.raw(writer.choose(b": ping", b"data: ping", b"event: ping", b"retry: 10", b""))


def write_error(writer: Writer) -> None:
    writer.told.fails = True
    fault = {"message": "upstream failed", "code": writer.choose(500, "server_error", None)}
    match writer.choose("error", "named", "choice", "broken"):
        case "error":
            writer.event(writer.choose({"error": fault}, {"error": "upstream failed"}))
        case "named":
            writer.event(fault, name=b"error")
        case "choice":
            writer.chunk({}, finish_reason="error")
        case "broken":
            writer.raw(
                writer.choose(b'data: {"choices": [', b'data: {"choices": [null', b"data: [1")
            )


@st.composite
def streams(draw: st.DrawFn) -> Told:
    writer = Writer(draw(st.data()))
    kinds = st.sampled_from(["text", "text", "text", "thought", "silence", "usage", "ping"])
    write_part(writer, "text")  # thoughts after it are thoughts, and no tag is looked for
    for kind in draw(st.lists(kinds | st.just("other"), max_size=12)):
        write_part(writer, kind)
    if draw(st.integers(0, 3)) == 0:
        write_error(writer)
        return writer.told
    writer.chunk({}, finish_reason="stop")
    if draw(st.booleans()):
        write_part(writer, "usage")
    writer.raw(b"data: [DONE]")
    return writer.told


@dataclass
class Provider:
    """Answers every request of one chat model with the pieces that a test gives it."""

    pieces: list[bytes] = field(default_factory=list)

    def chat(self) -> StreamingChat:
        return StreamingChat(
            model="m",
            base_url="http://model/v1",
            api_key=SecretStr("k"),
            max_retries=0,
            stream_usage=True,
            http_async_client=httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer)),
        )

    async def _answer(self, _: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


PROVIDER = Provider()
CHAT = PROVIDER.chat()


@settings(max_examples=int(os.environ.get("ROTA_STREAMS", "60")), deadline=None)
@given(told=streams(), data=st.data())
async def test_a_stream_is_read_as_it_was_meant(told: Told, data: st.DataObject) -> None:
    """`ROTA_STREAMS` sets how many are tried."""
    wire = b"".join(told.events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    PROVIDER.pieces = [wire[a:b] for a, b in itertools.pairwise([0, *cuts, len(wire)])]
    shown: list[Any] = []

    call = CHAT.answer([HumanMessage("go")], progress=CallProgress(), on_chunk=shown.append)
    if told.fails:
        with pytest.raises(PROVIDER_FAULTS):
            await call
    else:
        message = await call
        usage = message.usage_metadata or {"output_tokens": 0}
        assert (message.text, usage["output_tokens"]) == (told.text, told.tokens)
        assert message.response_metadata["finish_reason"] == "stop"

    text = "".join(one for one in shown if isinstance(one, str))
    # what may begin a tag is held back, and never shown if the stream fails
    assert text == told.text or (told.fails and told.text.startswith(text))
    assert "".join(one.text for one in shown if isinstance(one, Thought)) == told.thought


NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stream_options": "stream_options",
    "parallel_tool_calls": "parallel_tool_calls",
    "tool_choice": "tool_choice",
    "reasoning_effort": "reasoning_effort",
    "max_completion_tokens": "max_completion_tokens",
    "response_format": "json_schema",
}
SENTENCES = (
    "{} is not supported",
    "Unsupported parameter: '{}' is not supported with this model.",
    "Unknown field `{}`.",
    "`{}` not permitted with this model",
    "Unrecognized request argument supplied: {}",
    "{}: Extra inputs are not permitted",
    "This model does not support the parameter {}.",
    'The parameter "{}" is invalid for this model',
    "Parameter {} is not allowed.",
)


def bodies(message: str, name: str) -> list[Any]:
    quoted = json.dumps({"error": {"message": message}})
    return [
        {"error": {"message": message}},
        {"error": {"message": message, "type": "invalid_request_error", "param": name}},
        {"error": {"message": "Bad request", "param": name}},
        {"error": message},
        {"message": message, "code": 400},
        {"detail": message},
        {"detail": [{"loc": ["body", name], "msg": message}]},
        [{"error": {"message": message, "status": "INVALID_ARGUMENT"}}],
        {"error": {"message": "Provider returned error", "metadata": {"raw": quoted}}},
        {"error": {"message": f"litellm.BadRequestError: {json.dumps({'message': message})}"}},
    ]


@given(
    name=st.sampled_from(sorted(NAMES)),
    sentence=st.sampled_from(SENTENCES),
    status=st.sampled_from([400, 404, 422, 500]),
    form=st.integers(0, 9),
)
def test_a_refusal_of_any_form_names_its_feature(
    name: str, sentence: str, status: int, form: int
) -> None:
    body = bodies(sentence.format(name), name)[form]
    found = find_refused(error(Refused(status, body=body)), REQUEST)
    assert found is not None
    assert found.feature == NAMES[name]
