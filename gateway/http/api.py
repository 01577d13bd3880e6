"""The calls of the contract as an ASGI application."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from gateway.http import exchange, failure
from gateway.http.bindings.contract import Call, Contract
from gateway.http.bindings.router import Route, Router
from gateway.http.exchange import Receive, Scope, Send
from gateway.http.messages import message_writer
from gateway.http.messages.names import fields_of
from gateway.http.refusal import Refusal
from gateway.http.request_reader import HttpRequest, RequestReader
from gateway.http.services import Service
from gateway.http.sse import cursor
from gateway.http.sse.encoder import SseEncoder
from gateway.http.sse.event_stream import EventStream
from gateway.http.stream_tickets import StreamTickets

_STALE: Final = "ETAG_MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call that is asked for, with what the service is told beside its request."""

    call: Call
    request: Any
    metadata: list[tuple[str, str]] = field(repr=False)
    by_ticket: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`call_seconds` is how long a body and a call may take; a stream has no such limit."""

    contract: Contract
    router: Router
    tickets: StreamTickets
    services: Mapping[str, Service]
    call_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refused(refusal: Refusal) -> None:
            await exchange.answer_refusal(send, refusal, scope["method"])

        async def serve(send: Send) -> None:
            await self._serve(scope, receive, send)

        await exchange.complete(serve, refused, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["raw_path"]
        if method == "OPTIONS":
            await self._options(path, send)
            return
        route = self.router.find("GET" if method == "HEAD" else method, path)
        asked = await self._read(route, scope, receive)
        if asked.call.streams:
            await self._stream(asked, scope, receive, send)
        else:
            await self._unary(asked, scope, receive, send)

    async def _options(self, path: bytes, send: Send) -> None:
        allowed = self.router.methods(path)
        if not allowed:
            self.router.find("OPTIONS", path)  # says that there is no such path
        await exchange.answer(send, HTTPStatus.NO_CONTENT, {"allow": ", ".join(allowed)}, b"")

    async def _read(self, route: Route, scope: Scope, receive: Receive) -> CallRequest:
        call = route.binding.call
        body = await exchange.read_body(receive, call.name, seconds=self.call_seconds)
        if call.streams and scope["method"] == "GET":
            admitted = self.tickets.admit(route, scope, body)
            if admitted is not None:
                request, metadata = admitted
                return CallRequest(call=call, request=request, metadata=metadata, by_ticket=True)
        given = _http_request(scope, body)
        reader = RequestReader(contract=self.contract)
        request = await exchange.run_beside_loop(len(body), lambda: reader.read(route, given))
        exchange.check_size(request.ByteSize(), call.name)
        return CallRequest(call=call, request=request, metadata=exchange.metadata(scope))

    async def _unary(self, asked: CallRequest, scope: Scope, receive: Receive, send: Send) -> None:
        call, method = asked.call, scope["method"]
        made = self.services[call.cluster].call(
            call.path,
            asked.request,
            timeout=self.call_seconds,
            metadata=asked.metadata,
            serialize=call.request.SerializeToString,
            parse=call.response.FromString,
        )
        try:
            message = await exchange.await_call(made, receive)
        except Refusal as refusal:
            raise _of_if_match(refusal, scope) from None
        told = _etag(message) | (exchange.SECRET if call.secret else {})
        if _is_held(told.get("etag"), exchange.header(scope, b"if-none-match")):
            await exchange.answer(send, HTTPStatus.NOT_MODIFIED, told, b"", method)
            return
        written = await exchange.run_beside_loop(
            message.ByteSize(), lambda: message_writer.write(message, self.contract.pool)
        )
        headers = {"content-type": exchange.JSON, **told}
        await exchange.answer(send, HTTPStatus.OK, headers, written, method)

    async def _stream(self, asked: CallRequest, scope: Scope, receive: Receive, send: Send) -> None:
        call = asked.call
        last = cursor.parse(exchange.header(scope, b"last-event-id"))
        known = cursor.apply(asked.request, last)
        made = (
            self.services[call.cluster]
            .channel()
            .unary_stream(
                call.path,
                request_serializer=call.request.SerializeToString,
                response_deserializer=call.response.FromString,
            )(asked.request, metadata=asked.metadata)
        )
        stream = EventStream(
            call=made,
            encoder=SseEncoder(self.contract.pool),
            known=known,
            for_event_source=asked.by_ticket,
            head_only=scope["method"] == "HEAD",
        )
        await stream.answer(receive, send)


def _http_request(scope: Scope, body: bytes) -> HttpRequest:
    return HttpRequest(
        query=scope["query_string"],
        body=body,
        content_type=exchange.header(scope, b"content-type"),
        content_encoding=exchange.header(scope, b"content-encoding"),
        if_match=exchange.header(scope, b"if-match"),
        if_none_match=exchange.header(scope, b"if-none-match"),
    )


def _of_if_match(refusal: Refusal, scope: Scope) -> Refusal:
    """HTTP has a status of its own for the header If-Match; the body stays."""
    stale = failure.reason_of(refusal.status) == _STALE
    if stale and exchange.header(scope, b"if-match"):
        return Refusal(refusal.status, http=HTTPStatus.PRECONDITION_FAILED, headers=refusal.headers)
    return refusal


def _is_held(etag: str | None, header: str) -> bool:
    """True for what If-None-Match says that the caller has; `*` is whatever there is."""
    return header.strip() == "*" or (etag is not None and etag in header)


def _etag(message: Any) -> dict[str, str]:
    etag = message.etag if "etag" in fields_of(message.DESCRIPTOR) else ""
    return {"etag": f'"{etag}"'} if etag else {}
