"""The calls of the contract by Connect, as an ASGI application."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from google.rpc import code_pb2

from gateway import connect_error
from gateway.http import exchange
from gateway.http.bindings.contract import Call, Contract
from gateway.http.connect import connect_request, envelope
from gateway.http.connect.codec import Codec
from gateway.http.connect.connect_request import ConnectRequest
from gateway.http.exchange import Receive, Scope, Send
from gateway.http.messages import message_writer
from gateway.http.refusal import Refusal, refuse
from gateway.http.services import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectApi:
    """`calls` are by their path. `call_seconds` is how long a body and a call may take.

    A stream has no such limit.
    """

    contract: Contract
    calls: Mapping[str, Call]
    services: Mapping[str, Service]
    call_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refused(refusal: Refusal) -> None:
            body = message_writer.dump(connect_error.to_json(refusal.status))
            headers = {"content-type": exchange.JSON, **refusal.headers}
            await exchange.answer(send, refusal.http, headers, body)

        async def serve(send: Send) -> None:
            await self._serve(scope, receive, send)

        await exchange.complete(serve, refused, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._find(scope)
        asked = connect_request.read(call, dict(scope["headers"]))
        if call.streams:
            await self._stream(call, asked, scope, receive, send)
        else:
            await self._unary(call, asked, scope, receive, send)

    def _find(self, scope: Scope) -> Call:
        call = self.calls.get(scope["path"])
        if call is None:
            raise _not_served("the gateway serves no such method")
        method = scope["method"]
        if method != "POST":
            raise _not_served(
                f"{call.name} has no {method}; it has POST",
                http=HTTPStatus.METHOD_NOT_ALLOWED,
                headers={"allow": "POST"},
            )
        return call

    async def _unary(
        self, call: Call, asked: ConnectRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        codec = Codec(call=call, is_json=asked.is_json, pool=self.contract.pool)
        body = await exchange.read_body(receive, call.name, seconds=self.call_seconds)
        message = await exchange.run_beside_loop(len(body), lambda: codec.read(body))
        if asked.is_json:
            exchange.check_size(len(message), call.name)
        # The messages are bytes.
        made = self.services[call.cluster].call(
            call.path,
            message,
            timeout=min(self.call_seconds, asked.seconds),
            metadata=exchange.metadata(scope),
        )
        answer = await exchange.await_call(made, receive)
        written = await exchange.run_beside_loop(len(answer), lambda: codec.write(answer))
        headers = {"content-type": asked.content_type, **(exchange.SECRET if call.secret else {})}
        await exchange.answer(send, HTTPStatus.OK, headers, written)

    async def _stream(
        self, call: Call, asked: ConnectRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Whatever happens after the first line is told in the last envelope."""
        codec = Codec(call=call, is_json=asked.is_json, pool=self.contract.pool)
        await send(exchange.start(HTTPStatus.OK, {"content-type": asked.content_type}))
        end: dict[str, Any] = {}
        try:
            body = await exchange.read_body(receive, call.name, seconds=self.call_seconds)
            message = await exchange.run_beside_loop(
                len(body), lambda: codec.read(envelope.unwrap(body))
            )
            if asked.is_json:
                exchange.check_size(len(message), call.name)
            stream: Any = self.services[call.cluster].channel().unary_stream(call.path)
            frames = stream(
                message, timeout=asked.stream_seconds, metadata=exchange.metadata(scope)
            )
            try:
                writing = asyncio.ensure_future(_write(frames, codec, send))
                await exchange.await_call(writing, receive)
            finally:
                frames.cancel()
        except Refusal as refusal:
            end["error"] = connect_error.to_json(refusal.status)
        await exchange.send_part(send, envelope.wrap(message_writer.dump(end), envelope.END))
        await exchange.send_end(send)


async def _write(frames: AsyncIterable[bytes], codec: Codec, send: Send) -> None:
    async for frame in frames:
        await exchange.send_part(send, envelope.wrap(codec.write(frame)))


def _not_served(
    message: str, *, http: int | None = None, headers: Mapping[str, str] | None = None
) -> Refusal:
    return refuse(code_pb2.UNIMPLEMENTED, "NOT_SERVED", message, http=http, headers=headers)
