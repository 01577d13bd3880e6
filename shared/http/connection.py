"""A connection of the pool: HTTP/1.1 to one server, one exchange after another."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum
from typing import Any, Final

import aiohappyeyeballs
import httpcore2
import httpx2

from shared.http.request_bytes import encode_request
from shared.http.response_protocol import ResponseProtocol

# the key of a response's body, in the extensions of the response
BODY: Final = "body"
# between attempts at two addresses of a name
_ADDRESS_SECONDS: Final = 0.25
# A silent server that is gone is found out after 90 s, one that takes nothing after 120 s.
_SOCKET_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000),
)


class _State(Enum):
    NEW = "new"
    ACTIVE = "active"
    IDLE = "idle"
    CLOSED = "closed"


class Connection(httpcore2.AsyncConnectionInterface):
    """Connects at its first request. Whatever fails or is cancelled closes it at once.

    Errors are httpx2's. The address is that of the origin; the extension `sni_hostname` of a
    request is the name that TLS asks for and verifies, if it is another.
    """

    def __init__(
        self, origin: httpcore2.Origin, *, tls: ssl.SSLContext, keepalive_seconds: float | None
    ) -> None:
        self._origin = origin
        self._tls = tls
        self._keepalive_seconds = keepalive_seconds
        self._protocol: ResponseProtocol | None = None
        self._state = _State.NEW
        self._expires_at: float | None = None
        self._loop = asyncio.get_running_loop()

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        if self._state is _State.IDLE and (self._protocol is None or self._protocol.is_readable):
            self._close()
        if self._state not in (_State.NEW, _State.IDLE):
            raise httpcore2.ConnectionNotAvailable
        self._state = _State.ACTIVE
        timeouts = request.extensions.get("timeout", {})
        try:
            if self._protocol is None:
                self._protocol = await self._connect(request, timeouts.get("connect"))
            protocol = self._protocol
            if self.is_closed():  # while it was connecting
                raise httpx2.ConnectError("the connection was closed")
            parser = protocol.begin(head_only=request.method == b"HEAD")
            # a server may refuse a request before it has read all of it
            with suppress(httpx2.WriteError):
                async for data in encode_request(request):
                    await protocol.write(data, timeouts.get("write"))
            await protocol.read_head(parser, timeouts.get("read"))
        except BaseException:
            self._close()
            raise
        body = _Body(self, protocol.read_body(parser, timeouts.get("read")))
        told = {"http_version": parser.version, "reason_phrase": parser.reason, BODY: body}
        return httpcore2.Response(
            parser.status, headers=parser.headers, content=body, extensions=told
        )

    def release(self) -> None:
        """Ends an exchange: the connection is idle, or closed if it can't be used again."""
        if self.is_closed() or self._protocol is None or not self._protocol.end():
            self._close()
            return
        self._state = _State.IDLE
        if self._keepalive_seconds is not None:
            self._expires_at = time.monotonic() + self._keepalive_seconds

    async def aclose(self) -> None:
        self._close()

    # what the pool asks

    def info(self) -> str:
        return f"{str(self._origin)!r}, HTTP/1.1, {self._state.name}"

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        return origin == self._origin

    def is_available(self) -> bool:
        return self._state is _State.IDLE

    def is_idle(self) -> bool:
        return self._state is _State.IDLE

    def is_connected(self) -> bool:
        return self._protocol is not None and self._state is not _State.CLOSED

    def is_closed(self) -> bool:
        return self._state is _State.CLOSED

    def has_expired(self) -> bool:
        if self._state is not _State.IDLE or self._protocol is None:
            return False
        expired = self._expires_at is not None and time.monotonic() > self._expires_at
        return expired or not self._protocol.is_open or self._loop is not asyncio.get_running_loop()

    def _close(self) -> None:
        self._state = _State.CLOSED
        if self._protocol is not None:
            self._protocol.close()

    async def _connect(self, request: httpcore2.Request, timeout: float | None) -> ResponseProtocol:
        try:
            async with asyncio.timeout(timeout):
                return await self._open(request)
        except TimeoutError as exc:
            raise httpx2.ConnectTimeout("the server can't be reached in time") from exc
        # uvloop raises RuntimeError too, and a host that is no name is a ValueError
        except (OSError, RuntimeError, ValueError) as exc:
            raise httpx2.ConnectError(str(exc)) from exc

    async def _open(self, request: httpcore2.Request) -> ResponseProtocol:
        host = self._origin.host.decode("ascii")
        sock = await aiohappyeyeballs.start_connection(
            await _find_addresses(host, self._origin.port),
            happy_eyeballs_delay=_ADDRESS_SECONDS,
            loop=self._loop,
        )
        tls: dict[str, Any] = {}
        if self._origin.scheme == b"https":
            name = request.extensions.get("sni_hostname") or host
            tls = {"ssl": self._tls, "server_hostname": name}
        try:
            for option in _SOCKET_OPTIONS:
                with suppress(OSError):  # some systems lack some
                    sock.setsockopt(*option)
            _, protocol = await self._loop.create_connection(ResponseProtocol, sock=sock, **tls)
        except BaseException:
            sock.close()
            raise
        return protocol


class _Body:
    def __init__(self, connection: Connection, pieces: AsyncIterator[bytes]) -> None:
        self._connection: Connection | None = connection
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


async def _find_addresses(host: str, port: int) -> list[Any]:
    """Returns the addresses of a name. One that is an address is not looked up."""
    loop = asyncio.get_running_loop()
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    where = (host, port) if version == 4 else (host, port, 0, 0)
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where)]
