"""A turn as one stream of frames, over as many connections as it takes."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast

import betterproto2

from rota_client import errors
from rota_client.calls import Patience, next_of
from rota_client.gen.rota.chat.v1 import Turn, TurnEvent, TurnState

TERMINAL: Final = frozenset({"completed", "suspended", "failed", "cancelled"})
OPEN: Final = frozenset({TurnState.RUNNING, TurnState.AWAITING_APPROVAL})
_FAREWELL_SECONDS: Final = 1.0


class Turns(Protocol):
    """The calls that following a turn needs."""

    def watch(self, turn: str, after_sequence: int) -> AsyncIterator[TurnEvent]: ...
    async def get(self, turn: str) -> Turn: ...


@dataclass(slots=True, kw_only=True)
class Position:
    """How far a turn was read. Without a turn, its first frame was not seen yet."""

    turn: str = ""
    sequence: int | None = None


def kind_of(event: TurnEvent) -> str:
    """Name of the frame's oneof field; empty for one that this client does not know."""
    return betterproto2.which_one_of(event, "event")[0]


async def follow(
    turns: Turns,
    *,
    address: str,
    patience: Patience,
    at: Position,
    first: Callable[[], AsyncIterator[TurnEvent]] | None = None,
) -> AsyncGenerator[TurnEvent, None]:
    """The frames of one segment, up to its terminal frame: each once, in order, none left out.

    `first` begins the segment and is called again, word for word, while it gave no frame. From
    then on a lost connection goes on with WatchTurn. Ends without a terminal frame only when the
    turn had ended where it was asked to begin. Raises RotaError when patience ends or the server
    refuses.
    """
    tail = _Tail(turns, address, patience, at, first)
    try:
        while (event := await tail.next()) is not None:
            kind = kind_of(event)
            if kind:
                yield event
            if kind in TERMINAL:
                await tail.bid_farewell()
                return
    finally:
        await tail.close()


class _Tail:
    """The connection there is now, and what was read so far."""

    def __init__(
        self,
        turns: Turns,
        address: str,
        patience: Patience,
        at: Position,
        first: Callable[[], AsyncIterator[TurnEvent]] | None,
    ) -> None:
        self._turns = turns
        self._address = address
        self._patience = patience
        self._at = at
        self._first = first
        self._stream: AsyncGenerator[TurnEvent, None] | None = None

    async def next(self) -> TurnEvent | None:
        """The next new frame; None when the turn has ended where we are."""
        lost = 0
        while True:
            try:
                heard = await self._hear()
            except errors.Unavailable:
                # one that answers, only to be lost again, is not asked without a rest
                await self._patience.rest(lost)
                lost += 1
                heard = await self._patience.call(self._hear)
            if heard is None or self._is_new(heard):
                return heard

    async def bid_farewell(self) -> None:
        """Lets the call end by itself, so that the server sees no cancelled one."""
        if self._stream is not None:
            with contextlib.suppress(errors.RotaError, StopAsyncIteration):
                await next_of(self._stream, self._address, _FAREWELL_SECONDS)

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # what the lost connection still has to say is of no use
            with contextlib.suppress(Exception):
                await stream.aclose()

    async def _hear(self) -> TurnEvent | None:
        """Whatever comes next, heartbeats and repeats too. What it raises ends the connection."""
        try:
            event = await self._from_wire()
            if event is not None and self._at.sequence is not None:
                _refuse_gap(self._at.sequence, event)
        except BaseException:
            await self.close()
            raise
        return event

    async def _from_wire(self) -> TurnEvent | None:
        opened = self._stream is None
        if self._stream is None:
            self._stream = cast(AsyncGenerator[TurnEvent, None], self._open())
        try:
            return await next_of(self._stream, self._address, self._patience.silence)
        except StopAsyncIteration:
            if opened and await self._has_ended():
                return None
            raise errors.Unavailable(f"the stream from {self._address} broke off") from None

    def _open(self) -> AsyncIterator[TurnEvent]:
        if self._first is not None and (self._at.sequence is None or not self._at.turn):
            return self._first()
        return self._turns.watch(self._at.turn, self._at.sequence or 0)

    def _is_new(self, event: TurnEvent) -> bool:
        """Whether the frame is to be handed on; notes how far we are."""
        read = self._at.sequence
        if kind_of(event) == "heartbeat" or (read is not None and event.sequence <= read):
            return False
        self._at.sequence = event.sequence
        if event.started is not None:
            self._at.turn = event.started.turn
        return True

    async def _has_ended(self) -> bool:
        """Whether no frame can follow. A stream that says nothing and ends may mean that."""
        if not self._at.turn:
            return False
        turn = await self._turns.get(self._at.turn)
        return turn.state not in OPEN and turn.last_sequence <= (self._at.sequence or 0)


def _refuse_gap(read: int, event: TurnEvent) -> None:
    if event.sequence > read + 1 and kind_of(event) != "heartbeat":
        raise errors.Unavailable(f"frame {read + 1} was lost")
