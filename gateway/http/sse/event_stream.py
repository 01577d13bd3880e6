"""The answer of a streaming call."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2

from gateway.http import exchange, failure
from gateway.http.exchange import Receive, Send
from gateway.http.refusal import Refusal
from gateway.http.sse import cursor
from gateway.http.sse.encoder import sequence_of
from gateway.http.stream import StreamEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """Messages up to `known` are left out.

    EventSource gives up for good on any status but 200. So a caller that is one is told of a
    failure that passes by an event, and connects again. With `head_only` the answer ends where its
    body would begin.
    """

    call: Any
    encoder: StreamEncoder
    known: int = 0
    for_event_source: bool = False
    head_only: bool = False

    async def answer(self, receive: Receive, send: Send) -> None:
        """Raises Refusal for a call that fails before its first message, and Gone."""
        writing = asyncio.ensure_future(self._write(send))
        try:
            await exchange.await_call(writing, receive)
        finally:
            self.call.cancel()

    async def _write(self, send: Send) -> None:
        messages = self._messages()
        try:
            first = await anext(messages, None)
        except grpc.aio.AioRpcError as exc:
            refusal = failure.from_call(exc)
            if not (self.for_event_source and may_pass(refusal)):
                raise refusal from None
            await self._open(send)
            await exchange.send_part(send, self.encoder.opening())
            await self._fail(send, refusal)
        else:
            if first is None:
                # There is nothing to come: EventSource stops at this status.
                await exchange.answer(send, HTTPStatus.NO_CONTENT, {}, b"")
                return
            await self._open(send)
            if not self.head_only:
                await exchange.send_part(send, self.encoder.opening())
                await exchange.send_part(send, self.encoder.frame(first))
                await self._rest(messages, send)
        await exchange.send_end(send)

    async def _messages(self) -> AsyncIterator[Any]:
        """Raises Refusal for a stream that ends before what is known."""
        last = 0
        async for message in self.call:
            last = max(last, sequence_of(message))
            if not cursor.is_known(message, self.known):
                yield message
        if 0 < last < self.known:
            raise cursor.refuse_beyond(last)

    async def _open(self, send: Send) -> None:
        await send(exchange.start(HTTPStatus.OK, {"content-type": self.encoder.content_type}))

    async def _rest(self, messages: AsyncIterator[Any], send: Send) -> None:
        try:
            async for message in messages:
                await exchange.send_part(send, self.encoder.frame(message))
        except grpc.aio.AioRpcError as exc:
            await self._fail(send, failure.from_call(exc))
        except Refusal as refusal:
            await self._fail(send, refusal)

    async def _fail(self, send: Send, refusal: Refusal) -> None:
        await exchange.send_part(send, self.encoder.failure(failure.to_json(refusal)))


def may_pass(refusal: Refusal) -> bool:
    """True for a refusal that the same call may not meet again a little later."""
    if refusal.status.code == code_pb2.UNAVAILABLE:
        return True
    kind = error_details_pb2.RetryInfo.DESCRIPTOR
    return any(detail.Is(kind) for detail in refusal.status.details)
