"""Waiting for a notifier."""

import asyncio

from shared.aio import Notifier


async def test_all_who_wait_see_one_notification() -> None:
    notifier = Notifier()
    waiting = [asyncio.create_task(notifier.wait(notifier.count, 60)) for _ in range(3)]
    await asyncio.sleep(0)

    notifier.notify()

    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_a_notification_before_the_wait_is_seen() -> None:
    notifier = Notifier()
    since = notifier.count
    notifier.notify()

    assert await notifier.wait(since, 60)


async def test_a_silent_notifier_is_not_waited_for_longer_than_asked() -> None:
    assert not await Notifier().wait(0, 0.01)


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    notifier = Notifier()
    waiting = asyncio.create_task(notifier.wait(notifier.count))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    notifier.notify()

    assert not notifier._waiters
