"""Clocks that are waited for without being slept through."""

import asyncio
from datetime import UTC, datetime, timedelta

from shared.clock import CorrectedClock, ManualClock, SystemClock

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_manual_clock_wakes_who_waits_for_its_moment() -> None:
    clock = ManualClock(START)
    waiting = asyncio.create_task(clock.wait_until(START + timedelta(hours=1), asyncio.Event()))
    await asyncio.sleep(0)
    clock.advance(timedelta(minutes=59))
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(timedelta(minutes=1))
    await asyncio.wait_for(waiting, 5)


async def test_an_event_wakes_before_the_moment() -> None:
    for clock in (ManualClock(START), SystemClock()):
        woken = asyncio.Event()
        moment = clock.now() + timedelta(hours=1)
        waiting = asyncio.create_task(clock.wait_until(moment, woken))
        await asyncio.sleep(0)
        woken.set()
        await asyncio.wait_for(waiting, 5)


async def test_a_moment_that_has_come_is_not_waited_for() -> None:
    for clock in (ManualClock(START), SystemClock()):
        await asyncio.wait_for(clock.wait_until(clock.now(), asyncio.Event()), 5)


async def test_a_corrected_clock_agrees_with_the_other_one() -> None:
    ahead = timedelta(minutes=7)
    clock = CorrectedClock()

    async def measure() -> datetime:
        return datetime.now(UTC) + ahead

    await clock.correct(measure)
    assert abs(clock.now() - datetime.now(UTC) - ahead) < timedelta(seconds=1)


async def test_of_a_few_measurements_the_quickest_counts() -> None:
    clock = CorrectedClock()
    answers = [(0.2, timedelta(hours=1)), (0.0, timedelta(minutes=1)), (0.2, timedelta(hours=2))]

    async def measure() -> datetime:
        seconds, ahead = answers.pop(0)
        await asyncio.sleep(seconds)
        return datetime.now(UTC) + ahead

    await clock.correct(measure)
    assert abs(clock.offset - timedelta(minutes=1)) < timedelta(seconds=1)


async def test_a_measurement_that_fails_changes_nothing() -> None:
    clock = CorrectedClock()
    clock.EVERY = timedelta(milliseconds=1)
    clock.offset = timedelta(seconds=3)
    stop, asked = asyncio.Event(), asyncio.Event()

    async def measure() -> datetime:
        asked.set()
        raise OSError("gone")

    following = asyncio.create_task(clock.follow(measure, stop))
    await asyncio.wait_for(asked.wait(), 5)
    stop.set()
    await asyncio.wait_for(following, 5)
    assert clock.offset == timedelta(seconds=3)
