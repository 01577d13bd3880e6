"""`python -m bench.chat.load JSON`: requests streams of answers from one server at once, timed.

A process of its own, so that reading an answer costs its writer nothing. It prints `ready`,
waits for a line, and prints one line of JSON.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, Self
from uuid import uuid4

import orjson
import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """`threads` are names of the server, one an answer; streams share them evenly."""

    kind: str
    target: str
    threads: list[str]
    streams: int
    tokens: int
    delay: float = 0.0
    token: str = ""
    assistant: str = ""

    @property
    def text(self) -> str:
        return f"<<tokens={self.tokens};delay={self.delay}>> go on"

    def split(self, count: int) -> "list[LoadSpec]":
        """Shares the streams among `count` clients; each stream keeps its threads."""
        shares = [range(first, self.streams, count) for first in range(count)]
        return [
            replace(
                self,
                streams=len(share),
                threads=[
                    self.threads[at + stream]
                    for at in range(0, len(self.threads), self.streams)
                    for stream in share
                ],
            )
            for share in shares
            if share
        ]


@dataclass(slots=True, kw_only=True)
class AnswerTimes:
    """The times of one answer, in seconds since its request.

    `is_later` is an answer after the first of its stream: it begins beside those of others.
    """

    is_later: bool = False
    first_frame: float = 0.0
    first_text: float = 0.0
    worst_gap: float = 0.0  # between texts
    end: float = 0.0


@dataclass(slots=True, kw_only=True)
class Report:
    """What a process that streamed answers tells; its clock is the machine's."""

    began: float
    ended: float
    cpu_seconds: float  # of that process, meanwhile
    streams: list[AnswerTimes] = field(default_factory=list)

    @classmethod
    def read(cls, line: str) -> Self:
        """Reads the line that a worker prints."""
        said = orjson.loads(line)
        return cls(**{**said, "streams": [AnswerTimes(**one) for one in said["streams"]]})

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Client(Protocol):
    def stream(self, thread: str) -> AsyncIterator[str]:
        """Yields the text of each piece; empty for a piece without text."""
        ...

    async def close(self) -> None: ...


async def run(order: LoadSpec) -> Report:
    client = await _client(order)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    cpu, began = time.process_time(), time.perf_counter()
    told = await asyncio.gather(
        *(
            _run_stream(client, order, order.threads[n :: order.streams])
            for n in range(order.streams)
        )
    )
    streams = [timed for stream in told for timed in stream]
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    await client.close()
    return Report(began=began, ended=ended, cpu_seconds=cpu, streams=streams)


async def _run_stream(client: Client, order: LoadSpec, threads: list[str]) -> list[AnswerTimes]:
    told = [await _one(client, order, thread) for thread in threads]
    for timed in told[1:]:
        timed.is_later = True
    return told


async def _one(client: Client, order: LoadSpec, thread: str) -> AnswerTimes:
    timed, began, last, said = AnswerTimes(), time.perf_counter(), 0.0, 0
    async for text in client.stream(thread):
        now = time.perf_counter()
        timed.first_frame = timed.first_frame or now - began
        if text:
            timed.first_text = timed.first_text or now - began
            timed.worst_gap = max(timed.worst_gap, now - last if last else 0.0)
            last = now
            said += text.count("word")
    timed.end = time.perf_counter() - began
    if said != order.tokens:
        raise RuntimeError(f"{order.kind} said {said} of {order.tokens} words")
    return timed


async def _client(order: LoadSpec) -> Client:
    if order.kind == "rota":
        return await GrpcClient.open(order)
    return LangGraphClient(order)


class GrpcClient:
    """Calls SendMessage on one connection, as a gateway does."""

    def __init__(self, order: LoadSpec) -> None:
        from rota.chat.v1 import chat_pb2_grpc

        from shared.rpc import client
        from shared.rpc.wakeups import drain_wakeups

        drain_wakeups(asyncio.get_running_loop())
        self._order = order
        self._channel = client.open_channel(order.target)
        self._stub = chat_pb2_grpc.ChatServiceStub(self._channel)

    @classmethod
    async def open(cls, order: LoadSpec) -> "GrpcClient":
        self = cls(order)
        async with asyncio.timeout(30):
            await self._channel.channel_ready()
        return self

    async def stream(self, thread: str) -> AsyncIterator[str]:
        from rota.chat.v1 import chat_pb2 as pb

        request = pb.SendMessageRequest(
            name=thread,
            request_id=str(uuid4()),
            message=pb.Message(parts=[pb.Part(text=self._order.text)]),
        )
        metadata = [("authorization", f"Bearer {self._order.token}")]
        async for event in self._stub.SendMessage(request, metadata=metadata):
            yield event.text_delta.text

    async def close(self) -> None:
        await self._channel.close()


class LangGraphClient:
    """Calls `POST /threads/{id}/runs/stream` of LangGraph's API, with as little overhead."""

    def __init__(self, order: LoadSpec) -> None:
        self._order = order
        self._host, _, port = order.target.rpartition(":")
        self._port = int(port)

    async def stream(self, thread: str) -> AsyncIterator[str]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        writer.write(self._request(thread))
        status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
        if status != b"200":
            raise RuntimeError(f"{self._order.kind} answered {status!r}")
        event = b""
        async for line in _lines(reader):
            if line.startswith(b"event:"):
                event = line[6:].strip()
            elif line.startswith(b"data:") and event.startswith(b"messages"):
                for message in _messages(orjson.loads(line[5:])):
                    yield message
            elif line.startswith(b"data:"):
                yield ""
        writer.close()

    def _request(self, thread: str) -> bytes:
        body = orjson.dumps(
            {
                "assistant_id": self._order.assistant,
                "input": {"messages": [{"role": "user", "content": self._order.text}]},
                "stream_mode": ["messages-tuple"],
            }
        )
        head = (
            f"POST /threads/{thread}/runs/stream HTTP/1.1\r\nhost: {self._order.target}\r\n"
            f"content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def close(self) -> None:
        pass


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of a chunked body."""
    left = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        data = left + (await reader.readexactly(size + 2))[:-2]
        *lines, left = data.split(b"\n")
        for line in lines:
            yield line.strip()


def _messages(data: Any) -> list[str]:
    """Texts of an event: chunks of a message beside what is known of it."""
    return [
        str(part.get("content") or "")
        for part in itertools.chain(data)
        if isinstance(part, dict) and part.get("type") == "AIMessageChunk"
    ]


def main() -> None:
    order = LoadSpec(**orjson.loads(sys.argv[1]))
    print(orjson.dumps(asdict(uvloop.run(run(order)))).decode(), flush=True)


if __name__ == "__main__":
    main()
