"""Responses over the wire: the transport gives what httpx2's own gives, and fails as that does."""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import httpx2
import pytest
import uvloop

from shared.http.response_parser import MAX_HEAD_BYTES, MAX_HEADERS
from shared.http.transport import HttpTransport
from tests.support.servers.raw_server import Act, Reply, raw_server

T = TypeVar("T")
TLS: Final = ssl.create_default_context()
OK: Final = b"HTTP/1.1 200 OK\r\n"
FIVE: Final = b"content-length: 5\r\n\r\nhello"
CHUNKED: Final = b"transfer-encoding: chunked\r\n\r\n"
# what both give, or the name of the error that both raise
ALIKE: Final[Mapping[str, tuple[Reply, bytes | str]]] = {
    "a length": ([OK + FIVE], b"hello"),
    "bytes apart": ([bytes([byte]) for byte in OK + FIVE], b"hello"),
    "chunks": ([OK + CHUNKED + b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nx-t: 1\r\n\r\n"], b"hello!"),
    "spaces after a chunk's size": ([OK + CHUNKED + b"5  \r\nhello\r\n0\r\n\r\n"], b"hello"),
    "chunks with an odd end of line": ([OK + CHUNKED + b"5\nhello\n0\n\n"], "RemoteProtocolError"),
    "a chunk without a size": ([OK + CHUNKED + b"5\r\nhello\r\nz\r\n"], "RemoteProtocolError"),
    "a cut chunk": ([OK + CHUNKED + b"5\r\nhello\r\n5\r\nhe"], "RemoteProtocolError"),
    "chunks without an end": ([OK + CHUNKED + b"5\r\nhello\r\n"], "RemoteProtocolError"),
    "a huge chunk": ([OK + CHUNKED + b"f" * 30 + b"\r\nhello"], "RemoteProtocolError"),
    "a cut body": ([OK + b"content-length: 9\r\n\r\nhello"], "RemoteProtocolError"),
    "a body up to the end": ([OK + b"\r\nhel", b"lo"], b"hello"),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\n\r\nhello"], b"hello"),
    "a reset in a body": ([OK + b"content-length: 9\r\n\r\nhello", Act.RESET], "ReadError"),
    "a reset in a body up to the end": ([OK + b"\r\nhello", Act.RESET], "ReadError"),
    "a reset before a response": ([Act.RESET], "ReadError"),
    "no response": ([], "RemoteProtocolError"),
    "half a head": ([b"HTTP/1.1 200 OK\r\ncont"], "RemoteProtocolError"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9\r\n"], "RemoteProtocolError"),
    "no text": ([b"\0\1\2\3\r\n\r\n"], "RemoteProtocolError"),
    "an alert of TLS": ([b"\x15\x03\x01\x00\x02\x02\x46"], "RemoteProtocolError"),
    "another version": ([b"HTTP/2 200 OK\r\n" + FIVE], "RemoteProtocolError"),
    "line feeds only": ([b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello"], b"hello"),
    "no reason": ([b"HTTP/1.1 200\r\n" + FIVE], b"hello"),
    "an accent in the reason": (["HTTP/1.1 200 Très\r\n".encode() + FIVE], b"hello"),
    "an unknown status": ([b"HTTP/1.1 529 Overloaded\r\n" + FIVE], b"hello"),
    "a status of two digits": ([b"HTTP/1.1 20 OK\r\n" + FIVE], "RemoteProtocolError"),
    "an interim response": ([b"HTTP/1.1 100 Continue\r\n\r\n", OK + FIVE], b"hello"),
    "interim headers": ([b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK + FIVE], b"hello"),
    "another protocol": (
        [b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc"],
        "RemoteProtocolError",
    ),
    "no content": ([b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n"], b""),
    "not modified": ([b"HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n"], b""),
    "a redirect": ([b"HTTP/1.1 307 No\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"], b""),
    "a length and chunks": ([OK + b"content-length: 3\r\n" + CHUNKED + b"0\r\n\r\n"], b""),
    "two lengths": ([OK + b"content-length: 6\r\n" + FIVE], "RemoteProtocolError"),
    "a length below zero": ([OK + b"content-length: -5\r\n\r\nhello"], "RemoteProtocolError"),
    "a length without digits": ([OK + b"content-length: x\r\n\r\nhello"], "RemoteProtocolError"),
    "a huge length": ([OK + b"content-length: " + b"9" * 30 + b"\r\n\r\n"], "RemoteProtocolError"),
    "another transfer coding": (
        [OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
        "RemoteProtocolError",
    ),
    "no transfer coding": ([OK + b"transfer-encoding: identity\r\n" + FIVE], "RemoteProtocolError"),
    "empty headers": ([OK + b"x-a:\r\nx-b: \r\nx-c: 1\r\n" + FIVE], b"hello"),
    "blanks around a header": ([OK + b"x-a: \t b c \t\r\n" + FIVE], b"hello"),
    "a header over two lines": ([OK + b"x-a: b\r\n c\r\n" + FIVE], b"hello"),
    "bytes in a header": ([OK + b"x-a: \xe9\x01b\r\n" + FIVE], b"hello"),
    "a header twice": ([OK + b"set-cookie: a\r\nset-cookie: b\r\n" + FIVE], b"hello"),
    "a blank in a header's name": ([OK + b"x a: b\r\n" + FIVE], "RemoteProtocolError"),
    "a blank before a colon": ([OK + b"x-a : b\r\n" + FIVE], "RemoteProtocolError"),
    "no colon": ([OK + b"xyz\r\n" + FIVE], "RemoteProtocolError"),
    "a null byte in a header": ([OK + b"x-a: a\0b\r\n" + FIVE], "RemoteProtocolError"),
    "a return in a header": ([OK + b"x-a: a\rb\r\n" + FIVE], "RemoteProtocolError"),
    "a long header": ([OK + b"x: " + b"a" * 60_000 + b"\r\n" + FIVE], b"hello"),
    "too long a header": ([OK + b"x: " + b"a" * 200_000 + b"\r\n" + FIVE], "RemoteProtocolError"),
    "a head without an end": ([OK] + [b"x: " + b"a" * 8_000 + b"\r\n"] * 30, "RemoteProtocolError"),
    "what follows a response": ([OK + FIVE + b"HTTP/1.1 200 OK\r\n" + FIVE], b"hello"),
    "a large body": ([OK + b"content-length: 900000\r\n\r\n" + b"x" * 900_000], b"x" * 900_000),
}  # fmt: skip
# what only this transport refuses
REFUSED: Final[Mapping[str, list[Any]]] = {
    "the same length twice": [OK + b"content-length: 5\r\n" + FIVE],
    "a length given as a list": [OK + b"content-length: 5, 5\r\n\r\nhello"],
    "a version that is not yet": [b"HTTP/1.2 200 OK\r\n" + FIVE],
    "too many headers": [OK + b"".join(b"x-%d: 1\r\n" % n for n in range(MAX_HEADERS)) + FIVE],
    "interim responses without an end": [
        b"HTTP/1.1 100 Go\r\n\r\n" * (MAX_HEAD_BYTES // 19 + 1),
        Act.HOLD,
    ],
    "a trailer without an end": [
        OK + CHUNKED + b"1\r\nx\r\n0\r\n",
        *[b"x: " + b"a" * 8_000 + b"\r\n"] * 14,
        Act.HOLD,
    ],
    "a chunk's extension without an end": [
        OK + CHUNKED + b"1\r\nx\r\n1;",
        *[b"a" * 8_000] * 14,
        Act.HOLD,
    ],
}


class Outcome(NamedTuple):
    """`found` is the body, or the name of an error after `before`."""

    found: bytes | str
    status: int = 0
    reason: str = ""
    headers: Any = ()
    before: bytes = b""


async def outcome(
    transport: httpx2.AsyncBaseTransport, reply: Reply, method: str = "POST"
) -> Outcome:
    status, reason, headers, body = 0, "", [], b""
    async with raw_server(reply) as server, httpx2.AsyncClient(transport=transport) as client:
        try:
            async with client.stream(method, server.url, content=b"{}") as response:
                status, reason = response.status_code, response.reason_phrase
                headers = [(name.lower(), value.lower()) for name, value in response.headers.raw]
                async for piece in response.aiter_raw():
                    body += piece
        except httpx2.HTTPError as exc:
            return Outcome(type(exc).__name__, status, reason, headers, body)
    return Outcome(body, status, reason, headers)


@pytest.mark.parametrize("case", ALIKE)
async def test_a_response_is_what_the_library_gives(case: str) -> None:
    reply, expected = ALIKE[case]
    found = await outcome(HttpTransport(), reply)

    theirs = await outcome(httpx2.AsyncHTTPTransport(verify=TLS), reply)
    assert found.found == theirs.found == expected
    assert found == theirs or Act.RESET in reply  # a reset drops what was not read


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_bounded_or_not_clear_is_no_response(case: str) -> None:
    async with asyncio.timeout(30):
        assert (await outcome(HttpTransport(), REFUSED[case])).found == "RemoteProtocolError"


async def test_a_response_to_head_is_only_a_head() -> None:
    reply: Reply = [OK + b"content-length: 5\r\n\r\n", Act.KEEP]
    found = await outcome(HttpTransport(), reply, "HEAD")

    assert (found.found, found.status) == (b"", 200)


def test_responses_are_the_same_on_the_loop_that_the_service_runs() -> None:
    async def all_outcomes() -> list[bytes | str]:
        return [(await outcome(HttpTransport(), reply)).found for reply, _ in ALIKE.values()]

    assert _on_uvloop(all_outcomes()) == [expected for _, expected in ALIKE.values()]


def _on_uvloop(work: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(uvloop.run, work).result()
