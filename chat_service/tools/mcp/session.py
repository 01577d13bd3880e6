"""Sessions with MCP servers: one per call, so that a restarted server needs no reconnect."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import httpx
from mcp import ClientSession
from mcp.client.session import ElicitationFnT, MessageHandlerFnT, SamplingFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CallToolRequest,
    CancelledNotification,
    CancelledNotificationParams,
    ClientNotification,
    ClientRequest,
    ElicitationCapability,
    FormElicitationCapability,
    InitializeRequest,
    RequestId,
    ServerNotification,
    ToolListChangedNotification,
)
from typing_extensions import override

from chat_service.runtime.models_file import McpServer
from chat_service.tools.mcp import stdio
from chat_service.tools.mcp.value_limit import ValueCount, error_in_place, exceeds_values
from shared.security import body_decoder
from shared.telemetry import logs

# a server may take this long to close a session, in the background
CLOSE_SECONDS: Final = 10.0
# of one response of a server over HTTP, decoded
MAX_RESPONSE_BYTES: Final = 8 * 1024 * 1024
# no event of the protocol: what came of a message is ignored
_LEFT_OUT: Final = b"\nevent: left_out\n\nevent: message\ndata: %s\n\n"
_TIMEOUT: Final = httpx.Timeout(30.0, read=300.0)  # an answer may be a stream with pauses

log = logs.logger(__name__)

# uses a session; may reschedule the timeout
SessionUse = Callable[[ClientSession, asyncio.Timeout], Awaitable[None]]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What is done when a server sends what nobody asked it for."""

    tools_changed: Callable[[], None] = _nothing  # its list of tools is another
    sampling: SamplingFnT | None = None  # None: not announced, and refused
    elicitation: ElicitationFnT | None = None  # None: not announced, and refused
    asks: bool = False  # whether elicitation is announced, as forms


class Session(ClientSession):
    """A session that announces elicitation by forms, or none, and can cancel its last call.

    The SDK would announce whatever has a callback, addresses to open too.
    """

    def __init__(self, *given: Any, asks: bool, **more: Any) -> None:
        super().__init__(*given, **more)
        self._asks = asks
        self._call: RequestId | None = None

    @override
    async def send_request(self, request: ClientRequest, *given: Any, **more: Any) -> Any:
        match request.root:
            case InitializeRequest(params=params):
                forms = ElicitationCapability(form=FormElicitationCapability())
                params.capabilities.elicitation = forms if self._asks else None
            case CallToolRequest():
                self._call = self._request_id
        return await super().send_request(request, *given, **more)

    async def cancel_call(self, reason: str) -> None:
        """Tells the server that the call's result is not wanted any more."""
        params = CancelledNotificationParams(requestId=self._call, reason=reason)
        await self.send_notification(ClientNotification(CancelledNotification(params=params)))


async def use_session(
    server: McpServer,
    environ: Mapping[str, str],
    use: SessionUse,
    *,
    seconds: float,
    handlers: Handlers,
    auth: httpx.Auth | None = None,
) -> None:
    """Opens a session and runs `use`. Raises TimeoutError and any error of the session.

    Returns as soon as `use` does, and closes the session in the background: a dead server may
    take minutes to close, and a process that hangs some seconds.
    """
    said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(seconds) as limit:
        talking = asyncio.create_task(
            _talking(_open_session(server, environ, handlers, auth), use, limit, said)
        )
        talking.add_done_callback(partial(_ended, said))
        try:
            await said
        finally:
            _leave(talking, heard=said.done() and not said.cancelled())


async def _talking(
    opened: AbstractAsyncContextManager[ClientSession],
    use: SessionUse,
    limit: asyncio.Timeout,
    said: asyncio.Future[None],
) -> None:
    async with opened as session:
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


@asynccontextmanager
async def _open_session(
    server: McpServer, environ: Mapping[str, str], handlers: Handlers, auth: httpx.Auth | None
) -> AsyncIterator[ClientSession]:
    secrets = {k: v.get_secret_value() for k, v in server.secrets(environ).items()}
    more: dict[str, Any] = {
        "message_handler": _message_handler(handlers),
        "sampling_callback": handlers.sampling,
        "elicitation_callback": handlers.elicitation,
        "asks": handlers.asks,
    }
    if server.command is not None:
        async with (
            stdio.open_process(server.id, server.command, secrets) as (read, write),
            Session(read, write, **more) as session,
        ):
            yield session
        return
    assert server.url is not None
    async with (
        _open_client(secrets, auth) as client,
        streamable_http_client(server.url, http_client=client) as (read, write, _),
        Session(read, write, **more) as session,
    ):
        yield session


def _message_handler(handlers: Handlers) -> MessageHandlerFnT:
    async def handle(message: object) -> None:
        match message:
            case ServerNotification(root=ToolListChangedNotification()):
                handlers.tools_changed()

    return handle


def _open_client(headers: Mapping[str, str], auth: httpx.Auth | None) -> httpx.AsyncClient:
    client = httpx.AsyncClient(headers=headers, timeout=_TIMEOUT, auth=auth, verify=_trusted())
    client.headers["accept-encoding"] = body_decoder.ACCEPTED
    client.event_hooks = {"response": [_bound]}
    return client


@cache
def _trusted() -> ssl.SSLContext:
    # once: each session has a client of its own, and reading certificates takes as long as a call
    return httpx.create_ssl_context()


async def _bound(response: httpx.Response) -> None:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    coding = ",".join(response.headers.get_list("content-encoding"))
    is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
    bounded = _BoundedStream(response.stream, coding)
    limit = _limit_events if is_stream else _limit_body
    response.stream = _Body(bounded, limit(bounded, response.request))
    response.headers.pop("content-encoding", None)
    if not is_stream:
        await response.aread()  # here: the SDK would log its error and wait for an answer


async def _limit_body(
    pieces: httpx.AsyncByteStream, request: httpx.Request
) -> AsyncIterator[bytes]:
    body = b"".join([piece async for piece in pieces])
    yield _error_in_place(request) if exceeds_values(body) else body


async def _limit_events(
    pieces: httpx.AsyncByteStream, request: httpx.Request
) -> AsyncIterator[bytes]:
    count = ValueCount()
    async for piece in pieces:
        if count.exceeds(piece):
            yield _LEFT_OUT % _error_in_place(request)
            return
        yield piece


def _error_in_place(request: httpx.Request) -> bytes:
    log.warning("mcp_answer_left_out", host=request.url.host)
    asked = json.loads(request.content) if request.content else {}
    return error_in_place(asked.get("id"))


class _Body(httpx.AsyncByteStream):
    """The pieces of a response; closing it closes what they are from."""

    def __init__(self, source: httpx.AsyncByteStream, pieces: AsyncIterator[bytes]) -> None:
        self._source = source
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._source.aclose()


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
