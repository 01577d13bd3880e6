"""Clocks that are waited for without being slept through."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import CorrectedClock, ManualClock, SystemClock, rfc3339

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_manual_clock_wakes_who_waits_for_its_moment() -> None:
    clock = ManualClock(START)
    waiting = asyncio.create_task(clock.wait_until(START + timedelta(hours=1), asyncio.Event()))
    await asyncio.sleep(0)
    clock.advance(timedelta(minutes=59))
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(timedelta(minutes=1))
    await asyncio.wait_for(waiting, 60)


async def test_an_event_wakes_before_the_moment() -> None:
    for clock in (ManualClock(START), SystemClock()):
        woken = asyncio.Event()
        moment = clock.now() + timedelta(hours=1)
        waiting = asyncio.create_task(clock.wait_until(moment, woken))
        await asyncio.sleep(0)
        woken.set()
        await asyncio.wait_for(waiting, 60)


async def test_a_moment_that_has_come_is_not_waited_for() -> None:
    for clock in (ManualClock(START), SystemClock()):
        await asyncio.wait_for(clock.wait_until(clock.now(), asyncio.Event()), 60)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """What the system's clock says."""
    made = ManualClock(START)
    monkeypatch.setattr(SystemClock, "now", lambda _: made.now())
    return made


async def test_a_corrected_clock_agrees_with_the_other_one(here: ManualClock) -> None:
    ahead = timedelta(minutes=7)
    clock = CorrectedClock()

    async def measure() -> datetime:
        here.advance(timedelta(seconds=1))
        asked = here.now()
        here.advance(timedelta(seconds=1))
        return asked + ahead

    await clock.correct(measure)
    assert clock.now() == here.now() + ahead


async def test_of_a_few_measurements_the_quickest_counts(here: ManualClock) -> None:
    clock = CorrectedClock()
    answers = [(2, timedelta(hours=1)), (0, timedelta(minutes=1)), (2, timedelta(hours=2))]

    async def measure() -> datetime:
        seconds, ahead = answers.pop(0)
        here.advance(timedelta(seconds=seconds))
        return here.now() + ahead

    await clock.correct(measure)
    assert clock.offset == timedelta(minutes=1)


def test_rfc3339_is_in_utc_and_ends_in_z() -> None:
    moment = datetime(2026, 1, 31, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(moment) == "2026-01-31T08:00:00Z"
    assert rfc3339(moment.replace(microsecond=5)) == "2026-01-31T08:00:00.000005Z"
