"""The watch of a turn: its stored frames, then each new one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import frames, turns
from chat_service.persistence.enums import TurnState
from chat_service.turns.frames.cursor import FrameCursor
from chat_service.turns.frames.log import FrameLog, TurnLog
from shared import errors
from shared.aio import Notifier
from shared.clock import Clock
from shared.rpc.messages.timestamps import to_timestamp

TERMINAL: Final = frozenset({"completed", "suspended", "failed", "cancelled"})
OPEN: Final = frozenset({TurnState.RUNNING, TurnState.AWAITING_APPROVAL})
POLL_SECONDS: Final = 0.1
PAGE: Final = 500


@dataclass(slots=True)
class _Watch:
    seen: tuple[int, TurnState] | None = None
    watchers: int = 0
    moved: Notifier = field(default_factory=Notifier)
    local: TurnLog | None = None  # the segment that last ran here, also when it has ended


class TurnWatcher:
    """Streams turns of every replica. One query polls all turns of the others."""

    def __init__(
        self, db: AsyncEngine, log: FrameLog, clock: Clock, *, heartbeat_seconds: float = 15.0
    ) -> None:
        self._db = db
        self._log = log
        self._clock = clock
        self._heartbeat = heartbeat_seconds
        self._watched: dict[UUID, _Watch] = {}
        self._any = asyncio.Event()

    async def watch(self, cursor: FrameCursor | Awaitable[FrameCursor]) -> AsyncIterator[bytes]:
        """A turn's frames after a cursor, as they are stored, up to the first terminal one.

        Ends at once when the turn has ended and has no frame left. Heartbeats repeat the last
        sequence while the turn runs or waits. Raises StreamTruncated below the kept frames. An
        awaitable cursor is awaited first, so that the request that opens a turn is not held in
        memory while its stream waits for days.
        """
        start = cursor if isinstance(cursor, FrameCursor) else await cursor
        turn, after = start.turn, start.sequence
        del cursor, start
        watch = self._watched.setdefault(turn, _Watch())
        watch.watchers += 1
        self._any.set()
        try:
            beat = time.monotonic() + self._heartbeat
            while True:
                running = self._log.find(turn)
                watch.local = running or watch.local
                moved = watch.moved if running is None else running.moved
                seen = moved.count
                found, over = await self._next(turn, after, watch.local)
                for sequence, frame in found:
                    after = sequence
                    yield frame
                    if pb.TurnEvent.FromString(frame).WhichOneof("event") in TERMINAL:
                        return
                if found:
                    beat = time.monotonic() + self._heartbeat
                    continue
                if over:
                    return
                if not await moved.wait(seen, beat - time.monotonic()):
                    beat = time.monotonic() + self._heartbeat
                    yield self._beat(after)
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                self._watched.pop(turn, None)

    async def run(self) -> None:
        """Wakes watchers of turns that run on other replicas."""
        while True:
            await self._any.wait()
            remote = [turn for turn in self._watched if self._log.find(turn) is None]
            if not self._watched:
                self._any.clear()
                continue
            if remote:
                await self._poll(remote)
            await asyncio.sleep(POLL_SECONDS)

    def poke(self, turn: UUID) -> None:
        """Makes watchers read again."""
        watch = self._watched.get(turn)
        if watch is not None:
            watch.moved.notify()

    async def _poll(self, remote: list[UUID]) -> None:
        try:
            async with self._db.connect() as connection:
                progress = await turns.get_progress(connection, remote)
        except Exception:  # noqa: BLE001 - the database is away; watchers wait for it
            return
        for turn in remote:
            watch = self._watched.get(turn)
            if watch is not None and watch.seen != progress.get(turn):
                watch.seen = progress.get(turn)
                self.poke(turn)

    async def _next(
        self, turn: UUID, after: int, local: TurnLog | None
    ) -> tuple[list[tuple[int, bytes]], bool]:
        """The next frames, and whether the turn has ended without more."""
        if local is not None and after >= local.first:
            start = after - local.first
            fresh = local.frames[start : start + PAGE]
            if fresh or self._log.find(turn) is local:
                return list(enumerate(fresh, start=after + 1)), False
        async with self._db.connect() as connection:
            row = await turns.get(connection, turn)
            if row is None:
                return [], True
            if after >= row.last_sequence:
                return [], row.state not in OPEN
            found = await frames.list_after(connection, turn, after, limit=PAGE)
        if not found or found[0][0] != after + 1:
            raise errors.StreamTruncated(found[0][0] - 1 if found else row.last_sequence)
        return found, False

    def _beat(self, after: int) -> bytes:
        beat = pb.TurnEvent(
            sequence=after,
            create_time=to_timestamp(self._clock.now()),
            heartbeat=pb.Heartbeat(),
        )
        return beat.SerializeToString()
