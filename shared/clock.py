"""What time it is, and how to wait for a moment."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The moment, aware, in UTC."""
        ...

    async def wait_until(self, moment: datetime, woken: asyncio.Event) -> None:
        """Returns when `moment` has come or `woken` is set, whichever is first."""
        ...


class SystemClock:
    # The longest nap: a wall clock that is set forward is noticed within it.
    NAP = timedelta(seconds=1)

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_until(self, moment: datetime, woken: asyncio.Event) -> None:
        while not woken.is_set() and (left := moment - self.now()) > timedelta(0):
            try:
                await asyncio.wait_for(woken.wait(), min(left, self.NAP).total_seconds())
            except TimeoutError:
                continue


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self.set(self._now + by)

    def set(self, moment: datetime) -> None:
        self._now = moment
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_until(self, moment: datetime, woken: asyncio.Event) -> None:
        while self._now < moment and not woken.is_set():
            waits = [asyncio.ensure_future(e.wait()) for e in (self._moved, woken)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
