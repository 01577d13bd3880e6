"""A burst of events on grpc.aio: the loop comes back for it a few times, not once for each."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import uvloop

from shared.rpc import wakeups
from shared.rpc.wakeups import drain_wakeups

STREAMS = 400  # more than the poller's socket pair holds bytes
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class CountedReaders:
    """A loop's `add_reader` that counts the calls of the readers; `unread` is what was left."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.calls = 0
        self._add_reader = loop.add_reader
        loop.add_reader = self  # type: ignore[method-assign, assignment]

    def __call__(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        def counted() -> None:
            self.calls += 1
            callback(*args)

        self._add_reader(fd, counted)


async def count_wakeups(*, drained: bool) -> int:
    """How often the handler is called for a burst that came while the loop was held up."""
    loop = asyncio.get_running_loop()
    readers = CountedReaders(loop)
    if drained:
        assert drain_wakeups(loop)
        assert drain_wakeups(loop)
    go, waiting = asyncio.Event(), 0

    async def answer(request: bytes, context: Any) -> AsyncIterator[bytes]:
        nonlocal waiting
        waiting += 1
        await go.wait()
        yield b"word"

    server = grpc.aio.server()
    method: Any = grpc.unary_stream_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("burst", {"Watch": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch: Any = channel.unary_stream("/burst/Watch")

        async def read() -> list[bytes]:
            return [word async for word in watch(b"")]

        reading = [asyncio.create_task(read()) for _ in range(STREAMS)]
        while waiting < STREAMS:
            await asyncio.sleep(0.01)
        before = readers.calls
        go.set()
        await asyncio.sleep(0)  # every stream begins to write
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is held up on purpose
        said = await asyncio.gather(*reading)
    await server.stop(0)
    assert said == [[b"word"]] * STREAMS
    return readers.calls - before


def run(new_loop: Callable[[], asyncio.AbstractEventLoop], *, drained: bool) -> int:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(count_wakeups(drained=drained))


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_burst_is_handled_in_a_few_calls(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    assert 10 * run(new_loop, drained=True) < run(new_loop, drained=False)


def test_readers_of_others_are_left_alone() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        drain_wakeups(loop)
        reader, writer = await asyncio.open_connection(*await serve())
        writer.write(b"a few bytes")
        found = await reader.readexactly(11)
        writer.close()
        return found

    async def serve() -> tuple[str, int]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(11))
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        return host, port

    assert asyncio.run(main()) == b"a few bytes"


def test_a_version_that_is_not_known_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc, "__version__", "2.0.0")
    loop = asyncio.new_event_loop()
    before = loop.add_reader
    assert not drain_wakeups(loop)
    assert loop.add_reader == before
    loop.close()


def test_the_version_in_use_is_known() -> None:
    """Otherwise read the handler of the new one, and name it or delete the module."""
    assert grpc.__version__.startswith(wakeups.VERSIONS)
