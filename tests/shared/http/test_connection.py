"""The life of a connection: it is shared, waited for within limits, and closed at once."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from shared.http.response_protocol import HIGH_WATER, ResponseProtocol
from shared.http.transport import LIMITS, HttpTransport
from tests.shared.http.pool import wait_for_ends
from tests.support.processes.ports import free_port
from tests.support.servers.raw_server import Act, RawServer, raw_server

OK: Final = b"HTTP/1.1 200 OK\r\n"
FIVE: Final = OK + b"content-length: 5\r\n\r\nhello"
BEGUN: Final = OK + b"content-length: 9\r\n\r\nhello"
SECONDS: Final = 60  # of patience


@asynccontextmanager
async def client(*, timeout: Any = SECONDS, **limits: Any) -> AsyncIterator[httpx2.AsyncClient]:
    told = {
        "max_connections": LIMITS.max_connections,
        "max_keepalive_connections": LIMITS.max_keepalive_connections,
        "keepalive_expiry": 60.0,
        **limits,
    }
    transport = HttpTransport(limits=httpx2.Limits(**told))
    async with httpx2.AsyncClient(transport=transport, timeout=timeout) as found:
        yield found


def _transport(http: httpx2.AsyncClient) -> HttpTransport:
    assert isinstance(http._transport, HttpTransport)
    return http._transport


async def left(server: RawServer) -> None:
    """Returns when a peer has left. Fails if none does."""
    async with asyncio.timeout(SECONDS):
        await server.left.wait()


async def test_calls_that_follow_one_another_share_a_connection() -> None:
    async with raw_server([FIVE, Act.KEEP]) as server, client() as http:
        for _ in range(3):
            assert (await http.post(server.url, json={})).text == "hello"
        assert (len(server.requests), server.connections) == (3, 1)


async def test_calls_at_once_have_connections_of_their_own() -> None:
    async with raw_server([FIVE, Act.KEEP]) as server, client() as http:
        await asyncio.gather(*(http.post(server.url, json={}) for _ in range(5)))
        assert server.connections == 5


@pytest.mark.parametrize(
    ("reply", "limits"),
    [
        ([FIVE], {}),  # the server closes it
        ([FIVE + b"x", Act.KEEP], {}),
        ([FIVE + b"HTTP/1.1 200 OK\r\n\r\n", Act.KEEP], {}),
        ([OK + b"connection: close\r\n" + FIVE[len(OK) :], Act.KEEP], {}),
        ([FIVE, Act.KEEP], {"keepalive_expiry": 0.0}),
        ([FIVE, Act.KEEP], {"max_keepalive_connections": 0}),
    ],
)
async def test_a_connection_that_has_ended_is_not_used_again(reply: Any, limits: Any) -> None:
    async with raw_server(reply) as server, client(**limits) as http:
        for _ in range(3):
            assert (await http.post(server.url, json={})).text == "hello"
            await wait_for_ends(_transport(http))
        assert server.connections == 3


async def test_a_connection_that_ends_before_the_loop_looks_is_not_used_again() -> None:
    """A busy loop learns of an end late; the socket tells it in time."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        listening.settimeout(SECONDS)

        def answer() -> socket.socket:
            peer, _ = listening.accept()
            peer.recv(65_536)
            peer.sendall(FIVE)
            return peer

        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with client() as http:
            first = thread.submit(answer)
            assert (await http.post(url, json={})).text == "hello"
            second = thread.submit(answer)
            first.result().close()  # the loop does nothing between this and the next call
            assert (await http.post(url, json={})).text == "hello"
            second.result().close()


async def test_what_an_idle_server_says_ends_its_connection() -> None:
    idle, left = asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FIVE)
        await idle.wait()
        writer.write(b"HTTP/1.1 408 Idle\r\n\r\n")
        with suppress(ConnectionError):
            await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server, client() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await http.get(url)).text == "hello"
        idle.set()
        async with asyncio.timeout(SECONDS):
            await left.wait()
        assert (await http.get(url)).text == "hello"


async def test_a_connection_that_ends_before_its_first_request_has_no_response() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        loop, (host, port) = asyncio.get_running_loop(), server.sockets[0].getsockname()
        _, protocol = await loop.create_connection(ResponseProtocol, host, port)
        async with asyncio.timeout(SECONDS):
            while protocol.is_open:
                await asyncio.sleep(0)
        with pytest.raises(httpx2.RemoteProtocolError):
            await protocol.read_head(protocol.begin(head_only=False), None)


def _timeout(**seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(SECONDS, **seconds)


@pytest.mark.parametrize("reply", [[Act.HOLD], [OK, Act.HOLD], [BEGUN, Act.HOLD]])
async def test_a_server_that_falls_silent_is_given_up(reply: Any) -> None:
    async with raw_server(reply) as server, client(timeout=_timeout(read=0.05)) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.post(server.url, json={})
        await left(server)


# On a loop of its own: what others wait for would come as much later as the time is moved.
@pytest.mark.asyncio(loop_scope="function")
async def test_a_server_that_keeps_speaking_is_given_up_only_when_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit is of a silence; the answer takes longer."""
    loop = asyncio.get_running_loop()
    real_time, passed, limit = loop.time, 0.0, 60.0
    monkeypatch.setattr(loop, "time", lambda: real_time() + passed)
    speaking: asyncio.Future[asyncio.StreamWriter] = loop.create_future()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: 5\r\n\r\n")
        speaking.set_result(writer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with (
            client(timeout=_timeout(read=limit)) as http,
            http.stream("GET", url) as response,
        ):
            pieces = response.aiter_raw()
            for _ in range(4):
                piece = asyncio.ensure_future(anext(pieces))
                await asyncio.sleep(0)  # it waits
                passed += limit / 2
                await asyncio.sleep(0)  # what is due is done before it comes
                (await speaking).write(b"x")
                assert await piece == b"x"
            piece = asyncio.ensure_future(anext(pieces))
            await asyncio.sleep(0)
            passed += limit
            with pytest.raises(httpx2.ReadTimeout):
                await piece


async def test_a_server_that_takes_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # nobody accepts
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with client(timeout=_timeout(write=0.05)) as http:
            with pytest.raises(httpx2.WriteTimeout):
                await http.post(url, content=b"x" * (16 << 20))


async def test_a_server_that_does_not_accept_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        with socket.create_connection(address), suppress(OSError):
            for _ in range(8):  # its queue is full
                other = socket.socket()
                other.setblocking(False)
                other.connect_ex(address)
            async with client(timeout=_timeout(connect=0.05)) as http:
                with pytest.raises(httpx2.ConnectTimeout):
                    await http.post(f"http://127.0.0.1:{address[1]}/", json={})


async def test_a_call_that_gets_no_connection_is_given_up() -> None:
    limits = {"max_connections": 1, "max_keepalive_connections": 1}
    async with (
        raw_server([BEGUN, Act.HOLD]) as server,
        client(timeout=_timeout(pool=0.05), **limits) as http,
        http.stream("POST", server.url, json={}),
    ):
        with pytest.raises(httpx2.PoolTimeout):
            await http.post(server.url, json={})


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:{port}/", httpx2.ConnectError),
        ("http://[::1]:{port}/", httpx2.ConnectError),
        ("http://no-such-name.invalid/", httpx2.ConnectError),
        (f"http://{'a' * 64}.invalid/", httpx2.ConnectError),
        ("ftp://127.0.0.1/", httpx2.UnsupportedProtocol),
    ],
)
async def test_a_server_that_is_not_there_can_not_be_reached(
    url: str, error: type[Exception]
) -> None:
    async with client() as http:
        with pytest.raises(error):
            await http.post(url.format(port=free_port()), json={})


@pytest.mark.parametrize("reply", [[Act.HOLD], [BEGUN, Act.HOLD]])
async def test_a_call_that_is_cancelled_leaves_at_once(reply: Any) -> None:
    async with raw_server(reply) as server, client(max_connections=1) as http:
        call = asyncio.create_task(http.post(server.url, json={}))
        async with asyncio.timeout(SECONDS):
            while not server.requests:
                await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await left(server)
        server.replies = [[FIVE]]
        # its place in the pool is free
        assert (await http.post(server.url, json={})).text == "hello"


async def test_an_answer_that_is_left_in_the_middle_ends_its_connection() -> None:
    async with raw_server([BEGUN, Act.HOLD]) as server, client() as http:
        async with http.stream("POST", server.url, json={}) as response:
            async for piece in response.aiter_raw():
                assert piece == b"hello"
                break
        await left(server)


async def test_calls_that_are_cancelled_as_they_connect_leave_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with client() as http:
            before = _sockets()
            for rounds in range(12):
                call = asyncio.create_task(http.post(url, json={}))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            await asyncio.sleep(0)  # a connection closes in the next round
            gc.collect()
            assert _sockets() <= before


def _sockets() -> int:
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


async def test_a_slow_reader_holds_the_server_back() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH_WATER)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n")
        with suppress(ConnectionError):
            while sent < (64 << 20):
                writer.write(b"x" * HIGH_WATER)
                await writer.drain()
                sent += HIGH_WATER
        writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server, client() as http:
        port = server.sockets[0].getsockname()[1]
        async with http.stream("GET", f"http://127.0.0.1:{port}/") as response:
            before = -1
            while sent > before:  # until the server can send no more
                before = sent
                for _ in range(200):
                    await asyncio.sleep(0)
            assert sent < (32 << 20)
            found = 0
            async for piece in response.aiter_raw():
                found += len(piece)
            assert found == sent == 64 << 20


@pytest.mark.parametrize("pieces", [1, 8])
async def test_a_server_may_answer_before_it_has_read_all(pieces: int) -> None:
    """And close: what it said counts, not that the rest could not be sent."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
        writer.write_eof()
        await reader.read()
        writer.close()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield b"x" * ((8 << 20) // pieces)

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server, client() as http:
        port = server.sockets[0].getsockname()[1]
        answer = await http.post(f"http://127.0.0.1:{port}/", content=body())
        assert (answer.status_code, answer.text) == (413, "hello")


async def test_a_body_is_sent_as_it_comes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for word in (b"a", b"b" * 20):
            yield word

    async with raw_server([FIVE]) as server, client() as http:
        await http.post(server.url, content=pieces())
    assert server.requests[0].partition(b"\r\n\r\n")[2] == (
        b"1\r\na\r\n14\r\n" + b"b" * 20 + b"\r\n0\r\n\r\n"
    )


async def test_a_header_that_is_none_is_not_sent() -> None:
    async with raw_server([FIVE]) as server, client() as http:
        with pytest.raises(httpx2.LocalProtocolError):
            await http.post(server.url, json={}, headers={"x-key": "sk\r\nx: y"})
        assert server.requests == []


async def test_a_transport_that_is_closed_ends_its_calls() -> None:
    async with raw_server([BEGUN, Act.HOLD]) as server, client() as http:
        async with http.stream("POST", server.url, json={}) as response:
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"hello"
            waiting = asyncio.ensure_future(anext(pieces))
            await asyncio.sleep(0)
            await _transport(http).aclose()
            with pytest.raises(httpx2.ReadError):
                await waiting
        await left(server)


async def test_a_connection_of_another_loop_is_not_used() -> None:
    transport = HttpTransport(limits=httpx2.Limits(keepalive_expiry=60.0))

    async def ask(url: str) -> list[str]:
        http = httpx2.AsyncClient(transport=transport)
        return [(await http.post(url, json={})).text for _ in range(2)]

    async with raw_server([FIVE, Act.KEEP]) as server:
        for number in (1, 2):
            said = await asyncio.to_thread(asyncio.run, ask(server.url))
            assert (said, server.connections) == (["hello"] * 2, number)
