"""Endpoints that people name for models of their own: which, and how they are called."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx2

from shared import errors
from shared.security.egress import Address, Resolve, is_public, names_inner, resolve

# more than the longest answer of any model, as its provider streams it
MOST_BYTES: Final = 32 * 1024 * 1024
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 60.0
# what the SDK takes from this process's environment, which is not the person's
_OURS: Final = ("openai-organization", "openai-project")


class NotPublic(httpx2.ConnectError):
    """The endpoint is not on the open internet."""


class _TooLong(httpx2.ReadError):
    pass


def checked(text: str, *, local: bool) -> str:
    """The address as it is kept. InvalidRequest for one that may not be named.

    A name is resolved at each call, not here. `local` allows http, and this network's addresses.
    """
    field = "model_config.base_url"
    try:
        url = httpx2.URL(text.strip().rstrip("/"))
    except httpx2.InvalidURL as exc:
        raise errors.invalid(field, "is no URL") from exc
    schemes = ("https", "http") if local else ("https",)
    if url.scheme not in schemes or not url.host or "%" in url.host or (url.port or 1) > 65535:
        raise errors.invalid(field, f"must be an {' or '.join(schemes)} URL")
    if url.userinfo or url.query or url.fragment:
        raise errors.invalid(field, "must not hold a user, a query or a fragment")
    if not local and names_inner(url.host):
        raise errors.invalid(field, "is not on the open internet")
    return str(url)


def client(
    *, local: bool, resolve: Resolve = resolve, most_bytes: int = MOST_BYTES
) -> httpx2.AsyncClient:
    """Calls such endpoints. Opens nothing yet; close it."""
    guard = _Guard(
        resolve=resolve, allowed=(lambda _: True) if local else is_public, most_bytes=most_bytes
    )
    # no proxies, no netrc, no redirects: all would leave the address that was judged
    return httpx2.AsyncClient(
        transport=guard,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS),
    )


class _Guard(httpx2.AsyncBaseTransport):
    """Connects to the very address that was judged, anew for every call."""

    def __init__(
        self, *, resolve: Resolve, allowed: Callable[[Address], bool], most_bytes: int
    ) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._most_bytes = most_bytes
        # A kept connection is known by its address only, and one address serves many names.
        self._inner = httpx2.AsyncHTTPTransport(
            trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        for name in _OURS:
            request.headers.pop(name, None)
        found = await self._addresses(request)
        for address in found[:-1]:
            try:
                return await self._call(request, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._call(request, found[-1])

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _call(self, request: httpx2.Request, address: Address) -> httpx2.Response:
        moved = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
        )
        response = await self._inner.handle_async_request(moved)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._most_bytes)
        return response

    async def _addresses(self, request: httpx2.Request) -> list[Address]:
        url = request.url
        try:
            found = await self._resolve(
                url.host, url.port or (443 if url.scheme == "https" else 80)
            )
        except (OSError, UnicodeError) as exc:
            raise httpx2.ConnectError("the name is not known", request=request) from exc
        # all of them: a name with one inner address is not to be trusted with the others
        if not found or not all(self._allowed(address) for address in found):
            raise NotPublic("not on the open internet", request=request)
        return found


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._left -= len(piece)
            if self._left < 0:
                raise _TooLong("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
