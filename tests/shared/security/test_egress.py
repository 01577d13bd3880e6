"""The guard of HTTP to addresses that people name, as each of its users has it."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from pydantic import SecretStr

from automation_service.channels.channel import ChannelPorts
from automation_service.channels.message import ChannelMessage
from automation_service.channels.registry import CHANNELS
from automation_service.channels.settings import (
    ChannelSettings,
    NtfySettings,
)
from automation_service.webhooks.sender import WebhookSender
from chat_service.llm import custom_endpoint
from chat_service.tools.capabilities.fetch_url import Fetcher
from shared import errors
from shared.http import transport
from shared.security import egress
from shared.security.egress import (
    Address,
    NotPublic,
    PublicTransport,
    Resolve,
    ResponseTooLarge,
)
from tests.support.credentials.tls import contexts
from tests.support.servers.raw_server import Act, raw_server

PUBLIC = "93.184.215.14"
# kind → an address of it, which no user may reach
REFUSED = {
    "loopback": "127.0.0.1",
    "loopback, not the first": "127.8.9.1",
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "private A": "10.1.2.3",
    "private B": "172.16.0.1",
    "private C": "192.168.1.1",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "cloud platform": "168.63.129.16",
    "carrier-grade NAT": "100.64.0.1",
    "protocol assignments": "192.0.0.8",
    "documentation": "203.0.113.9",
    "benchmark": "198.18.0.1",
    "6to4 relay": "192.88.99.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv4-compatible": "::7f00:1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped private": "::ffff:10.0.0.1",
    "IPv4-mapped metadata": "::ffff:169.254.169.254",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local": "64:ff9b:1::a00:1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:7f00:1::",
    "IPv6 documentation": "2001:db8::1",
    "unique local": "fd12:3456::1",
    "IPv6 link-local": "fe80::1",
    "IPv6 with a scope": "fe80::1%1",
    "site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "discard": "100::1",
}
# hosts as they may be written; the machine's own resolver reads them
WRITTEN = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "169.254.169.254",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[fe80::1]",
)
Call = Callable[[str, Resolve], Awaitable[None]]


async def _fetch(url: str, resolve: Resolve) -> None:
    await Fetcher(resolve=resolve).fetch(url)


async def _post(url: str, resolve: Resolve) -> None:
    answer = await WebhookSender(resolve=resolve).send(url, b"{}", {})
    assert not answer.is_success
    raise errors.invalid("uri", answer.error)


async def _ask_model(url: str, resolve: Resolve) -> None:
    client = custom_endpoint.open_client(local=False, resolve=resolve)
    try:
        await client.post(url, json={})
    finally:
        await client.aclose()


async def _notify(url: str, resolve: Resolve) -> None:
    await _send("ntfy", NtfySettings.model_construct(server=url, topic=SecretStr("t")), resolve)


async def _send(kind: str, settings: ChannelSettings, resolve: Resolve) -> None:
    message = ChannelMessage(
        id=UUID(int=1), subject="s", body="b", format="text", time=datetime.now(UTC)
    )
    answer = await CHANNELS[kind].send(settings, message, ChannelPorts(resolve=resolve))
    assert not answer.is_success
    raise errors.invalid("uri", answer.error)


USERS = pytest.mark.parametrize("call", [_fetch, _post, _ask_model, _notify])


@contextmanager
def _refused() -> Iterator[None]:
    with pytest.raises((NotPublic, errors.InvalidRequest), match="not on the open internet"):
        yield


@USERS
@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
async def test_a_name_that_resolves_to_no_public_address_is_refused(
    call: Call, address: str
) -> None:
    for found in ([address], [PUBLIC, address], [address, PUBLIC]):
        with _refused():
            await call("https://example.org/", _to(*found))


@USERS
async def test_a_name_without_an_address_is_refused(call: Call) -> None:
    with _refused():
        await call("https://example.org/", _to())


@USERS
@pytest.mark.parametrize("host", WRITTEN)
async def test_an_inner_host_is_refused_however_it_is_written(call: Call, host: str) -> None:
    async with _server() as (port, connections):
        with pytest.raises(
            (httpx2.ConnectError, httpx2.InvalidURL, errors.InvalidRequest),
            match=r"not on the open internet|can't be reached|is not known|is no URL|Invalid IPv4",
        ):
            await call(f"http://{host}:{port}/", egress.resolve)
        assert connections == []


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_each_kind_is_not_public(address: str) -> None:
    assert not egress.is_public(ipaddress.ip_address(address))


async def test_a_name_is_resolved_once_a_request_and_not_by_the_connection() -> None:
    """A second answer, as DNS rebinding gives it, is never asked for."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ipaddress.ip_address(address) for address in answers.pop(0)]

    async with _server() as (port, connections), _client(rebinding) as client:
        assert (await client.get(f"http://example.org:{port}/")).text == "0123456789"
        assert (asked, len(connections)) == (["example.org"], 1)
        with pytest.raises(NotPublic):
            await client.get(f"http://example.org:{port}/")
        assert len(connections) == 1


async def test_a_redirect_that_the_client_follows_is_checked_too() -> None:
    async def by_name(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1" if host == "example.org" else "10.0.0.1")]

    async with (
        _server(location="http://inner.example/") as (port, _),
        _client(by_name) as client,
    ):
        with pytest.raises(NotPublic):
            await client.get(f"http://example.org:{port}/", follow_redirects=True)


@pytest.mark.parametrize("max_bytes", [0, 9, 10])
async def test_no_more_of_a_body_is_given_than_allowed(max_bytes: int) -> None:
    taken, resolve = b"", _to("127.0.0.1")
    async with (
        _server() as (port, _),
        _client(resolve, max_bytes=max_bytes) as client,
    ):
        try:
            async with client.stream("GET", f"http://example.org:{port}/") as response:
                async for piece in response.aiter_raw():
                    taken += piece
        except ResponseTooLarge:
            assert max_bytes < 10
        else:
            assert max_bytes == 10
    assert taken == b"0123456789"[:max_bytes]


async def test_interim_responses_without_an_end_are_no_response() -> None:
    flood = b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 5_000
    async with (
        raw_server([flood, Act.HOLD]) as server,
        _client(_to("127.0.0.1")) as client,
    ):
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(f"http://example.org:{server.port}/")


async def test_tls_asks_for_the_name_and_verifies_it_at_the_address(tmp_path: Path) -> None:
    theirs, ours = contexts(tmp_path, "example.org")
    resolve = _to("127.0.0.1")
    async with (
        _server(tls=theirs) as (port, connections),
        _client(resolve, tls=ours) as client,
    ):
        assert (await client.get(f"https://example.org:{port}/")).text == "0123456789"
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await client.get(f"https://another.example:{port}/")
        assert len(connections) == 1


async def test_the_environment_names_other_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, _ = contexts(tmp_path, "example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours-ca.pem"))
    transport.load_system_tls.cache_clear()
    resolve = _to("127.0.0.1")
    try:
        async with _server(tls=theirs) as (port, _), _client(resolve) as client:
            assert (await client.get(f"https://example.org:{port}/")).text == "0123456789"
    finally:
        transport.load_system_tls.cache_clear()


def _to(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(address) for address in addresses]

    return resolve


@asynccontextmanager
async def _client(
    resolve: Resolve,
    *,
    max_bytes: int = 100,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    guard = PublicTransport(
        max_bytes=max_bytes,
        resolve=resolve,
        allowed=lambda address: address.is_loopback,
        tls=tls,
    )
    async with httpx2.AsyncClient(transport=guard, trust_env=False) as client:
        yield client


@asynccontextmanager
async def _server(
    *, location: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[object]]]:
    """Its port, and the connections that were made to it."""
    connections: list[object] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        await reader.readuntil(b"\r\n\r\n")
        status = f"302 Found\r\nlocation: {location}" if location else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 10\r\n\r\n0123456789".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "0.0.0.0", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1], connections
