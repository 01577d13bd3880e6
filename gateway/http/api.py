"""The calls of the contract as an ASGI application."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc

from gateway.http import exchange, failure, message_writer
from gateway.http.contract import Call, Contract
from gateway.http.exchange import Receive, Scope, Send
from gateway.http.names import fields_of
from gateway.http.refusal import Refusal
from gateway.http.request_reader import HttpRequest, RequestReader
from gateway.http.router import Route, Router
from gateway.http.services import Service
from gateway.http.stream import SseEncoder, StreamEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """`call_seconds` is how long a call may take; a stream has no such limit."""

    contract: Contract
    router: Router
    services: Mapping[str, Service]
    call_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refused(refusal: Refusal) -> None:
            await exchange.answer_refusal(send, refusal, scope["method"])

        await exchange.complete(self._serve(scope, receive, send), refused)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["raw_path"]
        if method == "OPTIONS":
            await self._options(path, send)
            return
        route = self.router.find("GET" if method == "HEAD" else method, path)
        call = route.binding.call
        headers = dict(scope["headers"])
        body = await exchange.read_body(receive, call.name)
        given = _http_request(scope, headers, body)
        reader = RequestReader(contract=self.contract)
        request = await exchange.beside(len(body), lambda: reader.read(route, given))
        if call.streams and method == "HEAD":
            sse = {"content-type": SseEncoder.content_type}
            await exchange.answer(send, HTTPStatus.OK, sse, b"")
        elif call.streams:
            await self._stream(route, request, scope, receive, send)
        else:
            await self._unary(call, request, scope, headers, receive, send)

    async def _options(self, path: bytes, send: Send) -> None:
        allowed = self.router.methods(path)
        if not allowed:
            self.router.find("OPTIONS", path)  # says that there is no such path
        await exchange.answer(send, HTTPStatus.NO_CONTENT, {"allow": ", ".join(allowed)}, b"")

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
            )(request, timeout=self.call_seconds, metadata=exchange.metadata(scope))
        )
        message = await exchange.or_gone(made, receive)
        told = _etag(message)
        if told and told["etag"] in headers.get(b"if-none-match", b"").decode("latin-1"):
            await exchange.answer(send, HTTPStatus.NOT_MODIFIED, told, b"", scope["method"])
            return
        written = await exchange.beside(
            message.ByteSize(), lambda: message_writer.write(message, self.contract.pool)
        )
        await exchange.answer(
            send, HTTPStatus.OK, {"content-type": exchange.JSON, **told}, written, scope["method"]
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
            )(request, metadata=exchange.metadata(scope))
        )
        writing = asyncio.ensure_future(_write_stream(made, encoder, send))
        try:
            await exchange.or_gone(writing, receive)
        finally:
            made.cancel()


async def _write_stream(made: Any, encoder: StreamEncoder, send: Send) -> None:
    """Writes each message as it comes. A call that fails before its first is refused."""
    frames = aiter(made)
    first = await anext(frames, None)
    await send(exchange.start(HTTPStatus.OK, {"content-type": encoder.content_type}))
    try:
        if first is not None:
            await exchange.send_part(send, encoder.frame(first))
        async for message in frames:
            await exchange.send_part(send, encoder.frame(message))
    except grpc.aio.AioRpcError as exc:
        told = failure.to_json(failure.from_call(exc))
        await exchange.send_part(send, encoder.failure(told))
    await exchange.send_end(send)


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


def _etag(message: Any) -> dict[str, str]:
    etag = message.etag if "etag" in fields_of(message.DESCRIPTOR) else ""
    return {"etag": f'"{etag}"'} if etag else {}
