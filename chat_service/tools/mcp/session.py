"""Sessions with MCP servers: one per call, so that a restarted server needs no reconnect."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import httpx
from langchain_mcp_adapters.sessions import (
    Connection,
    StdioConnection,
    StreamableHttpConnection,
    create_session,
)
from mcp import ClientSession
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import SecretStr

from chat_service.runtime.models_file import McpServer
from shared.security import body_decoder

# a server may take this long to close a session, in the background
CLOSE_SECONDS: Final = 10.0
# of one response of a server over HTTP, decoded
MAX_RESPONSE_BYTES: Final = 8 * 1024 * 1024

# uses a session; may reschedule the timeout
SessionUse = Callable[[ClientSession, asyncio.Timeout], Awaitable[None]]


async def use_session(
    server: McpServer, environ: Mapping[str, str], use: SessionUse, *, seconds: float
) -> None:
    """Opens a session and runs `use`. Raises TimeoutError and any error of the session.

    Returns as soon as `use` does, and closes the session in the background: a dead server may
    take minutes to close, and a process that hangs some seconds.
    """
    said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(seconds) as limit:
        talking = asyncio.create_task(_talking(server, environ, use, limit, said))
        talking.add_done_callback(partial(_ended, said))
        try:
            await said
        finally:
            _leave(talking, heard=said.done() and not said.cancelled())


async def _talking(
    server: McpServer,
    environ: Mapping[str, str],
    use: SessionUse,
    limit: asyncio.Timeout,
    said: asyncio.Future[None],
) -> None:
    async with create_session(_connection(server, environ)) as session:
        await session.initialize()
        await use(session, limit)
        if not said.done():
            said.set_result(None)


def _ended(said: asyncio.Future[None], talking: asyncio.Task[None]) -> None:
    error = None if talking.cancelled() else talking.exception()
    if said.done():
        return  # later errors of the connection don't matter
    # a library may cancel the task; that must not cancel the caller
    said.set_exception(error or ConnectionError("the session ended before all was said"))


def _leave(talking: asyncio.Task[None], *, heard: bool) -> None:
    if talking.done():
        return
    # the loop keeps the task until then
    last = asyncio.get_running_loop().call_later(CLOSE_SECONDS, talking.cancel)
    talking.add_done_callback(lambda _: last.cancel())
    if not heard:
        talking.cancel()


def _connection(server: McpServer, environ: Mapping[str, str]) -> Connection:
    secrets = {k: _plain(v) for k, v in server.secrets(environ).items()}
    if server.command is not None:
        command, *arguments = server.command
        return StdioConnection(
            transport="stdio", command=command, args=arguments, env=secrets or None
        )
    assert server.url is not None
    return StreamableHttpConnection(
        transport="streamable_http",
        url=server.url,
        headers=secrets,
        httpx_client_factory=_open_client,
    )


def _open_client(
    headers: dict[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
    auth: httpx.Auth | None = None,
) -> httpx.AsyncClient:
    client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
    client.headers["accept-encoding"] = body_decoder.ACCEPTED
    client.event_hooks = {"response": [_bound]}
    return client


async def _bound(response: httpx.Response) -> None:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    coding = ",".join(response.headers.get_list("content-encoding"))
    response.stream = _BoundedStream(response.stream, coding)
    response.headers.pop("content-encoding", None)
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        await response.aread()  # here: the SDK would log its error and wait for an answer


class _BoundedStream(httpx.AsyncByteStream):
    """Like that of shared.security.egress, for the HTTP library of the MCP SDK."""

    def __init__(self, stream: httpx.AsyncByteStream, coding: str) -> None:
        self._stream = stream
        self._coding = coding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        limit = MAX_RESPONSE_BYTES
        try:
            async for piece in body_decoder.decode_body(
                self._stream, self._coding, max_bytes=limit
            ):
                yield piece
        except body_decoder.BodyTooLarge as exc:
            raise httpx.ReadError("the response is too large") from exc
        except body_decoder.BodyUnreadable as exc:
            raise httpx.DecodingError(str(exc)) from exc

    async def aclose(self) -> None:
        await self._stream.aclose()


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value()
