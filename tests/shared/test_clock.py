"""Clocks that are waited for without being slept through."""

import asyncio
from datetime import UTC, datetime, timedelta

from shared.clock import ManualClock, SystemClock

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
