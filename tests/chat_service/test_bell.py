"""Waiting for a bell."""

import asyncio

from shared.aio import Bell


async def test_all_who_wait_hear_one_ring() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.heard(bell.rung, 60)) for _ in range(3)]
    await asyncio.sleep(0)

    bell.ring()

    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_a_ring_before_the_wait_is_heard() -> None:
    bell = Bell()
    since = bell.rung
    bell.ring()

    assert await bell.heard(since, 60)


async def test_a_bell_that_stays_silent_is_not_waited_for_longer_than_asked() -> None:
    assert not await Bell().heard(0, 0.01)


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(bell.rung))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    bell.ring()

    assert not bell._waiting
