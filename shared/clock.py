"""Clocks, and waiting for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The moment, aware, in UTC."""
        ...

    async def wait_until(self, moment: datetime, woken: asyncio.Event) -> None:
        """Returns when `moment` has come or `woken` is set, whichever is first."""
        ...


def shift(moment: datetime, by: timedelta) -> datetime:
    """Returns `moment + by`, or the first or last moment that datetime holds in UTC."""
    try:
        return moment + by
    except OverflowError:
        if by > timedelta(0):
            return datetime.max.replace(tzinfo=UTC)
        return datetime.min.replace(tzinfo=UTC)


def rfc3339(moment: datetime) -> str:
    """Returns the moment in UTC, such as 2026-01-31T08:00:00Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


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


class CorrectedClock(SystemClock):
    """The system's clock, corrected by its difference to a clock that all replicas share.

    The last measured difference holds until the next measurement succeeds.
    """

    # How many measurements make one.
    SAMPLES = 3

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset

    async def correct(self, measure: Callable[[], Awaitable[datetime]]) -> None:
        """Measures the difference a few times and keeps the quickest, which is the most exact."""
        best: timedelta | None = None
        for _ in range(self.SAMPLES):
            asked = super().now()
            there = await measure()
            took = super().now() - asked
            if best is None or took < best:
                best, self.offset = took, there - (asked + took / 2)


class ManualClock:
    """A clock for tests, which moves only when it is set."""

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
