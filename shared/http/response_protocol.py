"""A connection's socket: requests go out, and what comes in is read as it is taken."""

import asyncio
import select
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

from shared.http.response_parser import ResponseParser

# of a body that nobody takes: the socket is read no further
HIGH_WATER: Final = 64 * 1024


class ResponseProtocol(asyncio.Protocol):
    """Carries one exchange after another: `begin`, `write`, `read_head`, `read_body`, `end`.

    `write` raises httpx2.WriteError and WriteTimeout. The readers raise httpx2.ReadError,
    ReadTimeout and RemoteProtocolError, after all that came before it. A timeout is in seconds
    without a byte; None: there is none.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: ResponseParser | None = None
        self._error: httpx2.TransportError | None = None
        self._ended = False  # nothing more comes
        self._cause: Exception | None = None  # of the end
        self._paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None  # while the server takes no more
        self._alarm: asyncio.TimerHandle | None = None
        self._silent_at = 0.0

    @property
    def is_open(self) -> bool:
        return not self._ended and self._transport is not None and not self._transport.is_closing()

    @property
    def is_readable(self) -> bool:
        """Whether something has come that the loop has not read yet, as an end is."""
        socket = None if self._transport is None else self._transport.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def begin(self, *, head_only: bool) -> ResponseParser:
        """Returns what reads the response, which is only a head if `head_only`."""
        self._parser = parser = ResponseParser(head_only=head_only)
        self._error = None
        if self._ended:
            self._end_response(parser)
        return parser

    async def write(self, data: bytes, timeout: float | None) -> None:
        if not self.is_open or self._transport is None:
            raise httpx2.WriteError("the server has closed the connection")
        self._transport.write(data)
        if self._writer is not None:
            try:
                async with asyncio.timeout(timeout):
                    await self._writer
            except TimeoutError:
                raise httpx2.WriteTimeout("the server takes no more of the request") from None

    async def read_head(self, parser: ResponseParser, timeout: float | None) -> None:
        while not parser.has_head:
            if self._error is not None:
                raise self._error
            await self._wait(timeout)

    async def read_body(
        self, parser: ResponseParser, timeout: float | None
    ) -> AsyncIterator[bytes]:
        """Yields what has come, all of it at once."""
        while True:
            if parser.size:
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                yield parser.take()
            elif parser.is_whole:
                return
            elif self._error is not None:
                raise self._error
            else:
                await self._wait(timeout)

    def end(self) -> bool:
        """Ends the exchange. Returns whether the connection can carry another."""
        parser, self._parser = self._parser, None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if parser is not None:
            parser.close()
        if parser is None or not (parser.is_whole and parser.keeps_alive and self.is_open):
            return False
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return self._writer is None

    def close(self) -> None:
        """Closes the connection at once; who waits for it is told."""
        self._fail(httpx2.ReadError("the connection was closed"))
        self.end()
        # that of another loop, or of the parent process, is left to it
        if self._transport is not None and self._loop is _running_loop():
            self._transport.abort()

    async def _wait(self, timeout: float | None) -> None:
        self._reader = self._loop.create_future()
        if timeout is not None:
            self._silent_at = self._loop.time() + timeout
            # one alarm looks after all waits of a response: most of them are short
            if self._alarm is None:
                self._alarm = self._loop.call_at(self._silent_at, self._ring)
        try:
            await self._reader
        finally:
            self._reader = None

    def _ring(self) -> None:
        self._alarm = None
        if self._reader is None or self._reader.done():
            return
        if self._loop.time() < self._silent_at:
            self._alarm = self._loop.call_at(self._silent_at, self._ring)
        else:
            self._reader.set_exception(httpx2.ReadTimeout("the server says nothing"))

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _fail(self, error: httpx2.TransportError) -> None:
        self._error = self._error or error
        self._wake()

    # what the socket calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        parser, transport = self._parser, self._transport
        assert transport is not None
        if parser is None or parser.is_whole or self._error is not None:  # nobody asked for it
            transport.abort()
            return
        try:
            parser.feed(data)
        except httpx2.RemoteProtocolError as exc:
            self._fail(exc)
        if parser.size > HIGH_WATER and not self._paused:
            self._paused = True
            transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._note_end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # it can't even be closed any more
        self._note_end(exc)

    def pause_writing(self) -> None:
        self._writer = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
        self._writer = None

    def _note_end(self, exc: Exception | None) -> None:
        if self._ended:
            return
        self._ended, self._cause = True, exc
        self.resume_writing()
        if self._parser is not None:
            self._end_response(self._parser)

    def _end_response(self, parser: ResponseParser) -> None:
        if self._cause is not None:
            self._fail(httpx2.ReadError(f"the connection broke: {type(self._cause).__name__}"))
            return
        try:
            parser.feed_eof()
        except httpx2.RemoteProtocolError as exc:
            self._fail(exc)
        self._wake()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
