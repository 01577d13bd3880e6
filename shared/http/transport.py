"""A transport of httpx2 whose connections are kept and shared, and whose responses have bounds."""

import ssl
from collections.abc import AsyncIterator
from functools import cache
from typing import Final

import httpcore2
import httpx2

from shared.http.connection import BODY, Connection

# as the SDK has them
LIMITS: Final = httpx2.Limits(
    max_connections=1000, max_keepalive_connections=100, keepalive_expiry=5.0
)


class HttpTransport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 without proxies, with the errors and timeouts of httpx2.AsyncHTTPTransport.

    The pool is httpcore2's, which waits for a free connection and gives up idle ones. `connect`
    limits name, address and TLS together. A body arrives as it is read: 64 KiB and what one read
    of the socket gives wait at most. Cancellation closes the connection. Without `tls` the
    machine's certificates are trusted, or those that SSL_CERT_FILE or SSL_CERT_DIR name.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, limits: httpx2.Limits = LIMITS) -> None:
        self._pool = _Pool(tls or load_system_tls(), limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        asked = httpcore2.Request(
            request.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            response = await self._pool.handle_async_request(asked)
        except httpcore2.PoolTimeout as exc:
            raise httpx2.PoolTimeout("all connections are in use") from exc
        except httpcore2.UnsupportedProtocol as exc:
            raise httpx2.UnsupportedProtocol(str(exc)) from exc
        extensions = dict(response.extensions)
        return httpx2.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(extensions.pop(BODY), response),
            extensions=extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Pool(httpcore2.AsyncConnectionPool):
    def __init__(self, tls: ssl.SSLContext, limits: httpx2.Limits) -> None:
        super().__init__(
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        )
        tls.set_alpn_protocols(["http/1.1"])
        self._tls = tls
        self._keepalive_seconds = limits.keepalive_expiry

    def create_connection(self, origin: httpcore2.Origin) -> Connection:
        return Connection(origin, tls=self._tls, keepalive_seconds=self._keepalive_seconds)


class _Stream(httpx2.AsyncByteStream):
    """Reads the body from its connection, and gives the connection back to the pool."""

    def __init__(self, body: AsyncIterator[bytes], response: httpcore2.Response) -> None:
        self._body = body
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        await self._response.aclose()


@cache
def load_system_tls() -> ssl.SSLContext:
    """Returns a context for HTTP that trusts the machine's certificates, always the same one."""
    # once: to read the machine's certificates takes as long as many requests
    return httpx2.create_ssl_context()
