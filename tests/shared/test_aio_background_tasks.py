"""Background tasks: run to their end, a few at a time, in the order they came."""

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.aio import BackgroundTasks

HOUR = 3600.0  # nobody is late


@dataclass(slots=True)
class Seen:
    """What the tasks did; each waits until it may end."""

    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, number: int) -> int:
        self.begun.append(number)
        await self.may_end.wait()
        self.ended.append(number)
        return number

    async def begun_are(self, numbers: list[int]) -> None:
        async with asyncio.timeout(60):
            while self.begun != numbers:
                await asyncio.sleep(0)


def queued(tasks: BackgroundTasks, seen: Seen, count: int) -> list["asyncio.Task[int]"]:
    return [
        asyncio.create_task(tasks.run_limited(lambda n=n: seen.work(n)))  # type: ignore[misc]
        for n in range(count)
    ]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_no_more_than_so_many_are_on_their_way(at_once: int) -> None:
    tasks, seen = BackgroundTasks(at_once=at_once, slot_seconds=HOUR), Seen()
    asked = queued(tasks, seen, 7)
    await seen.begun_are([*range(at_once)])
    for _ in range(20):  # nobody else comes, however long one waits
        await asyncio.sleep(0)
    assert seen.begun == [*range(at_once)]
    seen.may_end.set()
    assert await asyncio.gather(*asked) == [*range(7)]


async def test_they_begin_in_the_order_in_which_they_came() -> None:
    tasks, seen = BackgroundTasks(at_once=1, slot_seconds=HOUR), Seen()
    seen.may_end.set()
    await asyncio.gather(*queued(tasks, seen, 9))
    assert seen.begun == seen.ended == [*range(9)]


async def test_one_that_fails_is_told_to_whoever_sent_it_and_gives_up_its_place() -> None:
    tasks, seen = BackgroundTasks(at_once=1, slot_seconds=HOUR), Seen()

    async def fails() -> None:
        raise ValueError("no")

    failing = asyncio.create_task(tasks.run_limited(fails))
    after = queued(tasks, seen, 1)
    with pytest.raises(ValueError, match="no"):
        await failing
    seen.may_end.set()
    assert await after[0] == 0


async def test_one_that_is_held_up_holds_up_no_other() -> None:
    tasks, seen = BackgroundTasks(at_once=1, slot_seconds=0.0), Seen()
    asked = queued(tasks, seen, 4)
    await seen.begun_are([0, 1, 2, 3])
    assert seen.ended == []
    seen.may_end.set()
    await asyncio.gather(*asked)


async def test_a_place_is_given_up_once_however_a_task_leaves_it() -> None:
    tasks, late = BackgroundTasks(at_once=1, slot_seconds=0.0), Seen()
    asked = queued(tasks, late, 3)
    await late.begun_are([0, 1, 2])
    late.may_end.set()
    await asyncio.gather(*asked)

    tasks.slot_seconds = HOUR
    seen = Seen()
    asked = queued(tasks, seen, 3)
    await seen.begun_are([0])
    for _ in range(20):
        await asyncio.sleep(0)
    assert seen.begun == [0]
    seen.may_end.set()
    await asyncio.gather(*asked)


async def test_what_is_sent_by_one_under_way_is_waited_for_too() -> None:
    tasks, done = BackgroundTasks(at_once=1), asyncio.Event()

    async def second() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        done.set()

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second())

    tasks.spawn(first())
    await tasks.stop(60)
    assert done.is_set()


async def test_what_still_queues_is_not_begun_for_one_who_has_left() -> None:
    tasks = BackgroundTasks(at_once=1)
    done: list[str] = []
    first_may_end = asyncio.Event()

    async def first() -> None:
        await first_may_end.wait()
        done.append("first")

    async def other(name: str) -> None:
        done.append(name)

    leaving = [
        asyncio.create_task(tasks.run_limited(first)),
        asyncio.create_task(tasks.run_limited(lambda: other("left while it queued"))),
    ]
    staying = asyncio.create_task(tasks.run_limited(lambda: other("stayed")))
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    assert done == []
    first_may_end.set()
    await staying
    assert done == ["first", "stayed"]


async def test_a_stop_waits_for_what_is_under_way_and_cuts_off_what_takes_too_long() -> None:
    tasks = BackgroundTasks(at_once=1)
    begun, done = asyncio.Event(), asyncio.Event()

    async def soon() -> None:
        begun.set()
        await asyncio.sleep(0)
        done.set()

    caller = asyncio.create_task(tasks.run(soon()))
    await begun.wait()
    caller.cancel()
    await tasks.stop(60)
    assert done.is_set()

    never = tasks.spawn(asyncio.Event().wait())
    await tasks.stop(0)
    assert never.cancelled()
