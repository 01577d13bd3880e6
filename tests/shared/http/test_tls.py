"""TLS of model calls: whom it trusts, and what fails it."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from shared.http.transport import HttpTransport, load_system_tls
from tests.shared.http.pool import wait_for_ends
from tests.support.credentials.certificates import Authority
from tests.support.credentials.tls import contexts
from tests.support.servers.raw_server import Act, raw_server

OK: Final = b"HTTP/1.1 200 OK\r\n"
FIVE: Final = OK + b"content-length: 5\r\n\r\nhello"


async def said(
    transport: httpx2.AsyncBaseTransport, url: str, *, times: int = 1, **seconds: float
) -> str:
    """Returns the last body, or the name of the error."""
    timeout = httpx2.Timeout(30.0, **seconds)
    async with httpx2.AsyncClient(transport=transport, timeout=timeout) as client:
        try:
            return [(await client.post(url, json={})).text for _ in range(times)][-1]
        except httpx2.HTTPError as exc:
            return type(exc).__name__


async def test_calls_share_a_connection_with_tls(tmp_path: Path) -> None:
    theirs, ours = contexts(tmp_path, "127.0.0.1")
    async with raw_server([FIVE, Act.KEEP], tls=theirs) as server:
        url = server.url.replace("http", "https")
        assert await said(HttpTransport(ours), url, times=3) == "hello"
        assert (len(server.requests), server.connections) == (3, 1)


async def test_a_connection_with_tls_that_the_server_ends_is_not_used_again(
    tmp_path: Path,
) -> None:
    theirs, ours = contexts(tmp_path, "127.0.0.1")
    transport = HttpTransport(ours)
    async with (
        raw_server([FIVE], tls=theirs) as server,
        httpx2.AsyncClient(transport=transport) as client,
    ):
        for _ in range(3):
            answer = await client.post(server.url.replace("http", "https"), json={})
            assert answer.text == "hello"
            await wait_for_ends(transport)
        assert server.connections == 3


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ([OK + b"\r\nhello"], "hello"),
        ([OK + b"content-length: 9\r\n\r\nhello"], "RemoteProtocolError"),
        ([], "RemoteProtocolError"),
        ([OK + b"content-length: 300000\r\n\r\n" + b"x" * 300_000], "x" * 300_000),
    ],
)
async def test_a_response_over_tls_is_what_the_library_gives(
    tmp_path: Path, reply: Any, expected: str
) -> None:
    theirs, ours = contexts(tmp_path, "127.0.0.1")
    async with raw_server(reply, tls=theirs) as server:
        for transport in (HttpTransport(ours), httpx2.AsyncHTTPTransport(verify=ours)):
            assert await said(transport, server.url.replace("http", "https")) == expected


@pytest.mark.parametrize("name", ["another.example", "127.0.0.2"])
async def test_a_certificate_for_another_name_is_refused(tmp_path: Path, name: str) -> None:
    theirs, ours = contexts(tmp_path, name)
    async with raw_server([FIVE], tls=theirs) as server:
        assert await said(HttpTransport(ours), server.url.replace("http", "https")) == (
            "ConnectError"
        )
        assert server.requests == []


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    theirs, _ = contexts(tmp_path, "127.0.0.1")
    async with raw_server([FIVE], tls=theirs) as server:
        assert await said(HttpTransport(), server.url.replace("http", "https")) == "ConnectError"
        assert server.requests == []


async def test_a_server_without_tls_is_refused() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FIVE)
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for serve in (speak, hang_up):
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            assert await said(HttpTransport(), url) == "ConnectError"


async def test_a_handshake_that_does_not_end_is_given_up() -> None:
    async with raw_server([Act.HOLD]) as server:
        url = server.url.replace("http", "https")
        assert await said(HttpTransport(), url, connect=0.05) == "ConnectTimeout"
        async with asyncio.timeout(30):
            await server.left.wait()


@pytest.fixture
def no_authorities() -> Iterator[None]:
    load_system_tls.cache_clear()
    yield
    load_system_tls.cache_clear()


@pytest.mark.usefixtures("no_authorities")
async def test_the_environment_names_other_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(folder=tmp_path)
    issued = authority.issue("server")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(issued.cert, issued.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with raw_server([FIVE], tls=theirs) as server:
        assert await said(HttpTransport(), server.url.replace("http", "https")) == "hello"
