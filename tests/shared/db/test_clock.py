"""A clock that follows another one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import CorrectedClock, ManualClock, SystemClock
from shared.db.clock import follow_clock

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_clock_follows_until_it_is_stopped_and_a_failure_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = ManualClock(START)
    monkeypatch.setattr(SystemClock, "now", lambda _: here.now())
    clock, stop = CorrectedClock(), asyncio.Event()
    clock.offset = timedelta(seconds=3)
    failed, offsets = asyncio.Event(), list[timedelta]()

    async def measure() -> datetime:
        if not failed.is_set():
            failed.set()
            raise OSError("gone")
        offsets.append(clock.offset)
        if len(offsets) > CorrectedClock.SAMPLES:
            stop.set()
        return START + timedelta(seconds=5)

    await asyncio.wait_for(follow_clock(clock, measure, stop, seconds=0.001), 60)
    assert offsets[0] == timedelta(seconds=3)
    assert clock.offset == timedelta(seconds=5)
