"""What a model call costs beside its words: connections and threads."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from chat_service.agent.agent import prepare_process
from chat_service.runtime.ports import StartMode
from tests.chat_service.agent_bench import Bench, text_of
from tests.support.model_providers.scripted_model import DONE, ends, says


@dataclass
class Provider:
    """Keeps its connections; with `unended` it never ends a body."""

    unended: bool = False
    base_url: str = ""
    connections: int = 0
    answers: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await _head(reader):
            await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
            self.answers += 1
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            for chunk in (says("Hi"), says("."), ends(), DONE):
                text = chunk if isinstance(chunk, str) else json.dumps(chunk)
                data = f"data: {text}\n\n".encode()
                writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            if self.unended:
                await reader.read()
                break
            writer.write(b"0\r\n\r\n")
        writer.close()


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        return ""


@asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[Provider]:
    provider = Provider(**how)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    async with server:
        provider.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield provider


async def said(bench: Bench) -> str:
    """By a turn of its own."""
    bench.turn = uuid4()
    return text_of(await bench.all("go", mode=StartMode.NEW))


async def test_calls_that_follow_one_another_share_a_connection(bench: Bench) -> None:
    async with serving() as provider:
        bench.ask_at(provider.base_url)
        assert [await said(bench) for _ in range(3)] == ["Hi."] * 3

    assert provider.answers == 3
    # one, unless so long lies between two calls that it is given up
    assert provider.connections < 3


async def test_a_body_that_does_not_end_holds_no_answer_up(bench: Bench) -> None:
    async with serving(unended=True) as provider:
        bench.ask_at(provider.base_url)
        async with asyncio.timeout(30):
            assert [await said(bench) for _ in range(2)] == ["Hi."] * 2

    assert provider.connections == 2


class Counting(ThreadPoolExecutor):
    given: list[Any]

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.given.append(fn)
        return super().submit(fn, *args, **kwargs)


async def test_a_model_call_changes_no_thread(bench: Bench) -> None:
    prepare_process()
    async with serving() as provider:
        bench.ask_at(provider.base_url)
        assert await said(bench)
        threads = Counting()
        threads.given = []
        asyncio.get_running_loop().set_default_executor(threads)
        assert await said(bench) == "Hi."

    assert threads.given == []
