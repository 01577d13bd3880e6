"""One stream of frames of a turn, a run or an inbox, over as many connections as needed."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar, cast

import betterproto2

from rota_client import errors
from rota_client.calls import RetryPolicy, next_message
from rota_client.gen.rota.automation.v1 import InboxEvent, RunEvent
from rota_client.gen.rota.chat.v1 import TurnEvent, TurnState

Event = TypeVar("Event", bound=TurnEvent | RunEvent | InboxEvent)
EventOut = TypeVar("EventOut", bound=TurnEvent | RunEvent | InboxEvent, covariant=True)

TERMINAL: Final = frozenset({"completed", "suspended", "failed", "cancelled", "ended"})
OPEN: Final = frozenset({TurnState.RUNNING, TurnState.AWAITING_APPROVAL})


class StreamSource(Protocol[EventOut]):
    """The calls that `follow` makes about a turn, a run or an inbox."""

    def watch(self, name: str, after_sequence: int) -> AsyncIterator[EventOut]: ...

    async def has_ended(self, name: str, sequence: int) -> bool:
        """True if no frame can follow the one at `sequence`."""
        ...


@dataclass(slots=True, kw_only=True)
class StreamPosition:
    """The last frame read of a turn or a run. `name` is empty before the first frame."""

    name: str = ""
    sequence: int | None = None


def frame_kind(event: TurnEvent | RunEvent | InboxEvent) -> str:
    """Returns the name of the frame's oneof field; empty for a frame unknown to this client."""
    return betterproto2.which_one_of(event, "event")[0]


async def follow(
    source: StreamSource[Event],
    *,
    address: str,
    retry_policy: RetryPolicy,
    at: StreamPosition,
    first: Callable[[], AsyncIterator[Event]] | None = None,
) -> AsyncGenerator[Event, None]:
    """Yields the frames of one segment, or of a run, up to its terminal frame: each once, in order.
    An inbox has no terminal frame.

    `first` starts the segment; it runs again, with the same request, until a frame arrives. After
    that a lost connection continues by watching. Ends without a terminal frame only when the turn
    or run had ended at the start position. Raises RotaError when retries end or the server
    refuses.
    """
    tail = _Tail(source, address, retry_policy, at, first)
    try:
        while (event := await tail.next()) is not None:
            kind = frame_kind(event)
            if kind:
                yield event
            if kind in TERMINAL:
                await tail.bid_farewell()
                return
    finally:
        await tail.close()


class _Tail(Generic[Event]):
    """The connection there is now, and what was read so far."""

    def __init__(
        self,
        source: StreamSource[Event],
        address: str,
        retry_policy: RetryPolicy,
        at: StreamPosition,
        first: Callable[[], AsyncIterator[Event]] | None,
    ) -> None:
        self._source = source
        self._address = address
        self._retry_policy = retry_policy
        self._at = at
        self._first = first
        self._stream: AsyncGenerator[Event, None] | None = None

    async def next(self) -> Event | None:
        """The next new frame; None when the turn has ended where we are."""
        lost = 0
        while True:
            try:
                heard = await self._hear()
            except errors.Unavailable:
                # one that answers, only to be lost again, is not asked without a rest
                await self._retry_policy.wait(lost)
                lost += 1
                heard = await self._retry_policy.call(self._hear)
            if heard is None or self._is_new(heard):
                return heard

    async def bid_farewell(self) -> None:
        """Lets the call end by itself, so that the server sees no cancelled one."""
        if self._stream is not None:
            with contextlib.suppress(errors.RotaError, StopAsyncIteration):
                await next_message(self._stream, self._address, self._retry_policy.farewell)

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # what the lost connection still has to say is of no use
            with contextlib.suppress(Exception):
                await stream.aclose()

    async def _hear(self) -> Event | None:
        """Whatever comes next, heartbeats and repeats too. What it raises ends the connection."""
        try:
            event = await self._from_wire()
            if event is not None and self._at.sequence is not None:
                _refuse_gap(self._at.sequence, event)
        except BaseException:
            await self.close()
            raise
        return event

    async def _from_wire(self) -> Event | None:
        opened = self._stream is None
        if self._stream is None:
            self._stream = cast(AsyncGenerator[Event, None], self._open())
        try:
            return await next_message(self._stream, self._address, self._retry_policy.silence)
        except StopAsyncIteration:
            if opened and await self._has_ended():
                return None
            raise errors.Unavailable(f"the stream from {self._address} broke off") from None

    def _open(self) -> AsyncIterator[Event]:
        if self._first is not None and (self._at.sequence is None or not self._at.name):
            return self._first()
        return self._source.watch(self._at.name, self._at.sequence or 0)

    def _is_new(self, event: Event) -> bool:
        """True if the caller gets the frame. Advances the position."""
        read = self._at.sequence
        if frame_kind(event) == "heartbeat" or (read is not None and event.sequence <= read):
            return False
        self._at.sequence = event.sequence
        if isinstance(event, TurnEvent) and event.started is not None:
            self._at.name = event.started.turn
        return True

    async def _has_ended(self) -> bool:
        """True if no frame can follow, as after a stream that ends without frames."""
        if not self._at.name:
            return False
        return await self._source.has_ended(self._at.name, self._at.sequence or 0)


def _refuse_gap(read: int, event: TurnEvent | RunEvent | InboxEvent) -> None:
    # Of an inbox only the last change of each item is sent.
    if isinstance(event, InboxEvent):
        return
    if event.sequence > read + 1 and frame_kind(event) != "heartbeat":
        raise errors.Unavailable(f"frame {read + 1} was lost")
