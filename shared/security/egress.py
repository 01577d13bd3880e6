"""Addresses that people name: only those of the open internet are reached, over HTTP."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

import httpx2

from shared.aio import ThreadShare, find_of_loop
from shared.http.transport import HttpTransport
from shared.security import body_decoder

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[Address]]]

# they carry an IPv4 address that is reached in the end
_TRANSLATED: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("::/96"),
)
# what older Pythons call global: this network, carriers' own, protocols' own, a cloud's own
_REFUSED: Final = (
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("fec0::/10"),
)


# Names that are looked up at once, and those of one workspace.
LOOKUPS: Final = 64
LOOKUPS_OF_WORKSPACE: Final = 4
_LOOKUPS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadShare]] = WeakKeyDictionary()
_LOOKED_UP_FOR: Final[ContextVar[str]] = ContextVar("looked_up_for", default="")


def is_public(address: Address) -> bool:
    """False for anything but a plain unicast address of the open internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id or any(address in network for network in _TRANSLATED):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(
            address in network for network in _REFUSED if network.version == address.version
        )
    )


def names_inner(host: str) -> bool:
    """Whether a host, unresolved, says that it is not on the open internet.

    An IPv4 address may be written in any way that a resolver reads: `127.1`, `0x7f000001`.
    """
    name = host.strip("[]").rstrip(".").lower()
    with suppress(ValueError):
        return not is_public(ipaddress.ip_address(name))
    with suppress(OSError, UnicodeError):
        return not is_public(ipaddress.IPv4Address(socket.inet_aton(name)))
    return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


@contextmanager
def look_up_for(workspace: str) -> Iterator[None]:
    """Names are looked up for a workspace meanwhile, with its share of the threads.

    In a process a workspace is always named alike, by its id or by its resource name.
    """
    token = _LOOKED_UP_FOR.set(workspace)
    try:
        yield
    finally:
        _LOOKED_UP_FOR.reset(token)


async def resolve(host: str, port: int) -> list[Address]:
    """Every address of a host. Raises OSError when it has none.

    A name server that hangs keeps a thread for as long as the machine waits for it, whatever the
    caller does: it delays the workspace that `look_up_for` names, and no other.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    threads = find_of_loop(_LOOKUPS, _open_threads)
    found = await threads.run(look_up, by=_LOOKED_UP_FOR.get())
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def _open_threads() -> ThreadShare:
    return ThreadShare("lookup", threads=LOOKUPS, share=LOOKUPS_OF_WORKSPACE)


class NotPublic(httpx2.ConnectError):
    """The host has an address that is not allowed; nothing was sent."""


class ResponseTooLarge(httpx2.ReadError):
    """The response's body is larger than allowed; what is allowed of it was given."""


class PublicTransport(httpx2.AsyncBaseTransport):
    """Resolves the host of every request, and connects to the very address that it checked.

    A redirect is a request of its own. TLS asks for the host's name and verifies it. The client
    must have `trust_env=False`: a proxy would resolve the name again. Without `tls` the
    machine's certificates are trusted, or those that SSL_CERT_FILE or SSL_CERT_DIR name. What a
    server sends beside a body has an end: see shared.http.response_parser.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        resolve: Resolve = resolve,
        allowed: Callable[[Address], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._resolve = resolve
        self._allowed = allowed
        # No connection is kept: the pool knows one by its address, which serves many names.
        self._inner = HttpTransport(tls, httpx2.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        found = await self._addresses(request)
        for address in found[:-1]:
            try:
                return await self._send(request, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._send(request, found[-1])

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, request: httpx2.Request) -> list[Address]:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._resolve(url.host, port)
        except (OSError, UnicodeError) as exc:
            raise httpx2.ConnectError("the name is not known", request=request) from exc
        # all of them: a name with one inner address is not to be trusted with the others
        if not found or not all(self._allowed(address) for address in found):
            raise NotPublic("not on the open internet", request=request)
        return found

    async def _send(self, request: httpx2.Request, address: Address) -> httpx2.Response:
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=request.headers,  # with the host's name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
        )
        response = await self._inner.handle_async_request(pinned)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._max_bytes)
        return response


def bound_responses(
    max_bytes: int, *, max_error_bytes: int | None = None
) -> Callable[[httpx2.Response], Awaitable[None]]:
    """Returns a response hook of a client: it decodes each body within a limit of decoded bytes.

    A body that is larger raises ResponseTooLarge, one that can't be decoded httpx2.DecodingError.
    The body of an error ends after `max_error_bytes`, if it is given.
    """

    async def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        coding = ",".join(response.headers.get_list("content-encoding"))
        cut = max_error_bytes is not None and response.status_code >= 400
        limit = max_error_bytes if cut and max_error_bytes is not None else max_bytes
        response.stream = _BoundedStream(response.stream, limit, coding=coding, cut=cut)
        response.headers.pop("content-encoding", None)

    return bound


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(
        self,
        stream: httpx2.AsyncByteStream,
        max_bytes: int,
        *,
        coding: str = "",
        cut: bool = False,
    ) -> None:
        """`cut`: a larger body ends after the limit, and nothing is raised."""
        self._cut = cut
        self._stream = stream
        self._max_bytes = max_bytes
        self._coding = coding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        limit = self._max_bytes
        try:
            async for piece in body_decoder.decode_body(
                self._stream, self._coding, max_bytes=limit
            ):
                yield piece
        except body_decoder.BodyTooLarge as exc:
            if self._cut:
                return
            raise ResponseTooLarge("the response is too large") from exc
        except body_decoder.BodyUnreadable as exc:
            raise httpx2.DecodingError(str(exc)) from exc

    async def aclose(self) -> None:
        await self._stream.aclose()
