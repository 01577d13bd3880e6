"""A provider that sends exactly the chunks a test wrote down, odd ones too."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from chat_service.prompts.examples import TAG

DONE = "[DONE]"
# its chunks: objects, the very text after `data: `, or bytes that are no event's data; and an End
Reply = Sequence[Any]


class End(Enum):
    """The end of a stream that does not end well, as the last of a reply."""

    BROKEN = "broken"  # the connection, in the middle of the body
    OPEN = "open"  # nothing comes any more, until the caller leaves


@dataclass(frozen=True)
class Refused:
    """A reply of its own, as the only thing in one: a status and its error.

    `body` is sent in place of the error. `location` is the address of a redirect.
    """

    status: int
    error: Any = None
    body: Any = None
    location: str = ""

    def wire(self) -> bytes:
        told = self.body if self.body is not None else {"error": self.error}
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        head = f"HTTP/1.1 {self.status} No\r\ncontent-type: application/json\r\n"
        if self.location:
            head += f"location: {self.location}\r\n"
        return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


@dataclass
class ScriptedModel:
    """Answers the n-th request with the n-th reply; `asked` holds the requests' bodies.

    With `answer` the reply depends on the request instead. `models` is its list of models. The
    bodies are without the prompt's examples; `sent` holds them whole.
    """

    replies: list[Reply]
    answer: Callable[[dict[str, Any]], Reply] | None = None
    base_url: str = ""
    models: Any = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # of the requests, in lower case

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.heads.append(head)
        if head.startswith("get "):
            writer.write(Refused(200 if self.models else 404, body=self.models or b"").wire())
            await writer.drain()
            writer.close()
            return
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        self.sent.append(json.loads(await reader.readexactly(length)))
        self.asked.append(without_examples(self.sent[-1]))
        number = len(self.asked) - 1
        reply = self.answer(self.asked[-1]) if self.answer else self.replies[number]
        if isinstance(reply[0], Refused):
            writer.write(reply[0].wire())
        else:
            self._stream(reply, writer)
        await writer.drain()
        if reply[-1] is End.OPEN:
            await reader.read()
        writer.close()

    def _stream(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        length = b"content-length: 1000000\r\n" if reply[-1] is End.BROKEN else b""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
        writer.write(head + length + b"\r\n")
        for chunk in reply:
            match chunk:
                case End():
                    pass
                case bytes():
                    writer.write(chunk)
                case _:
                    text = chunk if isinstance(chunk, str) else json.dumps(chunk)
                    writer.write(f"data: {text}\n\n".encode())


def without_examples(body: dict[str, Any]) -> dict[str, Any]:
    """Returns a request without the examples that come before what was said."""
    messages = body.get("messages") or []
    first = next((n for n, one in enumerate(messages) if one.get("role") == "user"), 0)
    after = first
    while after < len(messages) and str(messages[after].get("content")).startswith(TAG):
        after += 1
        while after < len(messages) and messages[after].get("role") != "user":
            after += 1
    return {**body, "messages": [*messages[:first], *messages[after:]]}


def says(text: Any, **delta: Any) -> dict[str, Any]:
    return _chunk({"role": "assistant", "content": text, **delta})


def calls(*tool_calls: dict[str, Any]) -> dict[str, Any]:
    return _chunk({"tool_calls": list(tool_calls)})


def call(name: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def ends(reason: str = "stop") -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "model": "scripted",
        "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@asynccontextmanager
async def scripted_model(
    *replies: Reply, answer: Callable[[dict[str, Any]], Reply] | None = None
) -> AsyncIterator[ScriptedModel]:
    model = ScriptedModel(replies=list(replies), answer=answer)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    async with server:
        model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield model


def _chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
