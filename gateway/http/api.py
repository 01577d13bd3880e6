"""The calls of the contract as an ASGI application."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import grpc
from google.rpc import code_pb2

from gateway.http import failure, message_writer
from gateway.http.contract import Call, Contract
from gateway.http.names import fields_of
from gateway.http.refusal import Refusal, refuse
from gateway.http.request_reader import HttpRequest, RequestReader
from gateway.http.router import Route, Router
from gateway.http.services import Service
from gateway.http.stream import SseEncoder, StreamEncoder
from gateway.local_replies import REFUSALS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")

# The gateway's own limits: images need the room.
LARGEST_BODY: Final = 1 << 20
LARGEST_BODIES: Final[Mapping[str, int]] = {"SendMessage": 8 << 20}
# What is larger is parsed and written beside the loop, so that no stream waits for it.
LARGE: Final = 32 << 10
# What the services are told of a request, as gRPC's own callers tell them.
FORWARDED: Final = frozenset(
    {
        b"authorization", b"traceparent", b"tracestate", b"baggage", b"x-request-id",
        b"x-forwarded-for", b"x-forwarded-proto", b"x-user-agent", b"accept-language",
    }
)  # fmt: skip
_JSON: Final = "application/json"

log = logging.getLogger(__name__)


class Gone(Exception):
    """The caller left before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`call_seconds` is how long a call may take; a stream has no such limit."""

    contract: Contract
    router: Router
    services: Mapping[str, Service]
    call_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except Refusal as refusal:
            await answer_refusal(send, refusal, scope["method"])
        except Gone:
            return
        except Exception:
            error_id = uuid.uuid4().hex
            log.exception("the door failed; error_id %s", error_id)
            await answer_refusal(send, _internal(error_id), scope["method"])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["raw_path"]
        if method == "OPTIONS":
            await self._options(path, send)
            return
        route = self.router.find("GET" if method == "HEAD" else method, path)
        call = route.binding.call
        headers = dict(scope["headers"])
        body = await _body(receive, LARGEST_BODIES.get(call.name, LARGEST_BODY))
        given = _http_request(scope, headers, body)
        reader = RequestReader(contract=self.contract)
        request = await _beside(len(body), lambda: reader.read(route, given))
        if call.streams and method == "HEAD":
            await _answer(send, HTTPStatus.OK, {"content-type": SseEncoder.content_type}, b"")
        elif call.streams:
            await self._stream(route, request, scope, receive, send)
        else:
            await self._unary(call, request, scope, headers, receive, send)

    async def _options(self, path: bytes, send: Send) -> None:
        allowed = self.router.methods(path)
        if not allowed:
            self.router.find("OPTIONS", path)  # says that there is no such path
        await _answer(send, HTTPStatus.NO_CONTENT, {"allow": ", ".join(allowed)}, b"")

    async def _unary(
        self,
        call: Call,
        request: Any,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        made = (
            self.services[call.cluster]
            .channel()
            .unary_unary(
                call.path,
                request_serializer=call.request.SerializeToString,
                response_deserializer=call.response.FromString,
            )(request, timeout=self.call_seconds, metadata=_metadata(scope))
        )
        message = await _or_gone(made, receive)
        told = _etag(message)
        if told and headers.get(b"if-none-match", b"").decode("latin-1") == told["etag"]:
            await _answer(send, HTTPStatus.NOT_MODIFIED, told, b"", scope["method"])
            return
        written = await _beside(
            message.ByteSize(), lambda: message_writer.write(message, self.contract.pool)
        )
        await _answer(
            send, HTTPStatus.OK, {"content-type": _JSON, **told}, written, scope["method"]
        )

    async def _stream(
        self, route: Route, request: Any, scope: Scope, receive: Receive, send: Send
    ) -> None:
        call = route.binding.call
        encoder: StreamEncoder = SseEncoder(self.contract.pool)
        made = (
            self.services[call.cluster]
            .channel()
            .unary_stream(
                call.path,
                request_serializer=call.request.SerializeToString,
                response_deserializer=call.response.FromString,
            )(request, metadata=_metadata(scope))
        )
        writing = asyncio.ensure_future(_write_stream(made, encoder, send))
        try:
            await _or_gone(writing, receive)
        finally:
            made.cancel()


async def _write_stream(made: Any, encoder: StreamEncoder, send: Send) -> None:
    """Writes each message as it comes. A call that fails before its first is refused."""
    frames = aiter(made)
    first = await anext(frames, None)
    await send(_start(HTTPStatus.OK, {"content-type": encoder.content_type}))
    try:
        if first is not None:
            await _send_frame(send, encoder.frame(first))
        async for message in frames:
            await _send_frame(send, encoder.frame(message))
    except grpc.aio.AioRpcError as exc:
        await _send_frame(send, encoder.failure(failure.to_json(failure.from_call(exc))))
    await send({"type": "http.response.body", "body": b""})


async def _send_frame(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _or_gone(made: Any, receive: Receive) -> Any:
    """Awaits a call; cancels it when the caller leaves. Raises Refusal or Gone."""
    call = asyncio.ensure_future(made)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((call, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise Gone
        return call.result()
    except grpc.aio.AioRpcError as exc:
        raise failure.from_call(exc) from None
    finally:
        leaving.cancel()
        if not call.done():
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await call


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Gone
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large()
        if not event.get("more_body"):
            return b"".join(parts)


def _internal(error_id: str) -> Refusal:
    return refuse(
        code_pb2.INTERNAL, "INTERNAL", "the gateway failed", metadata={"error_id": error_id}
    )


def _too_large() -> Refusal:
    known = next(one for one in REFUSALS if one.http == HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return refuse(known.code, known.reason, known.message, http=known.http)


async def _beside(size: int, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if size > LARGE else work()


def _http_request(scope: Scope, headers: Mapping[bytes, bytes], body: bytes) -> HttpRequest:
    def header(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    return HttpRequest(
        query=scope["query_string"],
        body=body,
        content_type=header(b"content-type"),
        content_encoding=header(b"content-encoding"),
        if_match=header(b"if-match"),
    )


def _metadata(scope: Scope) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name in FORWARDED and _is_printable(value)
    ]


def _is_printable(value: bytes) -> bool:
    # gRPC carries nothing else as text.
    return all(0x20 <= byte < 0x7F for byte in value)


def _etag(message: Any) -> dict[str, str]:
    etag = message.etag if "etag" in fields_of(message.DESCRIPTOR) else ""
    return {"etag": f'"{etag}"'} if etag else {}


async def answer_refusal(send: Send, refusal: Refusal, method: str) -> None:
    body = message_writer.dump(failure.to_json(refusal))
    await _answer(send, refusal.http, {"content-type": _JSON, **refusal.headers}, body, method)


async def _answer(
    send: Send, status: int, headers: Mapping[str, str], body: bytes, method: str = ""
) -> None:
    bodyless = status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    length = {} if bodyless else {"content-length": str(len(body))}
    await send(_start(status, {**headers, **length}))
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    told = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": int(status), "headers": told}
