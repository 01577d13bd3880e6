"""`python -m bench.chat.provider --port N`: a model server with minimal overhead.

Streams chat completions as OpenAI's wire has them. The last user message says how:
`<<tokens=N;delay=S>>`. Every token is a chunk and a write of its own, as providers send them.
"""

import argparse
import asyncio
import contextlib
import re
import socket
from typing import Any, Final

import orjson
import uvloop

_DIRECTIVES: Final = re.compile(r"<<tokens=(\d+)(?:;delay=([\d.]+))?>>")
_TITLE: Final = (3, 0.0)
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
# Between giving way to other streams.
_BURST: Final = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chat.provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(parser.parse_args().port))


async def _serve(port: int) -> None:
    async with await open_server(port) as server:
        print("ready", flush=True)
        await server.serve_forever()


async def open_server(port: int) -> asyncio.Server:
    """Accepts connections on a port of this machine; 0 takes a free one."""
    return await asyncio.start_server(_connection, "127.0.0.1", port, backlog=2048)


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            await _answer(writer, orjson.loads(body))
    writer.close()


async def _answer(writer: asyncio.StreamWriter, asked: dict[str, Any]) -> None:
    tokens, delay = _read_directives(asked["messages"])
    writer.write(_HEAD + _chunk(asked, {"role": "assistant", "content": ""}))
    before, after = _chunk_json(asked, {"content": "\0"}).split(b"\\u0000")
    for number in range(tokens):
        if delay:
            await asyncio.sleep(delay)
        writer.write(_http_chunk(before + b" word%03d" % (number % 1000) + after))
        if not delay and number % _BURST == 0:
            await writer.drain()
            await asyncio.sleep(0)
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
    writer.write(
        _chunk(asked, {}, finish_reason="stop")
        + _http_chunk(_event({**_base(asked), "choices": [], "usage": usage}))
        + _http_chunk(b"data: [DONE]\n\n")
        + b"0\r\n\r\n"
    )
    await writer.drain()


def _read_directives(messages: list[dict[str, Any]]) -> tuple[int, float]:
    for message in reversed(messages):
        content = message.get("content")
        text = content if isinstance(content, str) else str(content)
        if message["role"] == "user" and (found := _DIRECTIVES.search(text)):
            return int(found[1]), float(found[2] or 0)
    return _TITLE


def _base(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": asked["model"],
    }


def _chunk(
    asked: dict[str, Any], delta: dict[str, Any], *, finish_reason: str | None = None
) -> bytes:
    return _http_chunk(_chunk_json(asked, delta, finish_reason))


def _chunk_json(
    asked: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_base(asked), "choices": [choice]})


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


if __name__ == "__main__":
    main()
