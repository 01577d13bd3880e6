"""What many ask at once is asked together, and nobody pays for another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from automation_service.runs.batcher import Batcher

Together = Callable[[list[int]], Awaitable[Mapping[object, int]]]


def batcher(
    together: Together,
    alone: Callable[[int], Awaitable[int]] | None = None,
    lane: Callable[[int], object] | None = None,
) -> Batcher[int, int]:
    async def refuse(number: int) -> int:
        raise ValueError(number)

    return Batcher(
        flush_many=together, flush_one=alone or refuse, key=lambda number: number, lane=lane
    )


class Doubling:
    """Answers all but some; waits at its door while it is shut."""

    def __init__(self, *but: int) -> None:
        self.but = but
        self.batches: list[list[int]] = []
        self.door = asyncio.Event()
        self.door.set()

    async def __call__(self, numbers: list[int]) -> Mapping[object, int]:
        self.batches.append(numbers)
        await self.door.wait()
        return {number: number * 2 for number in numbers if number not in self.but}


async def test_what_is_asked_at_once_or_meanwhile_is_asked_together() -> None:
    double = Doubling()
    double.door.clear()
    asked = batcher(double)
    first = [asked.submit(number) for number in (1, 2, 3)]
    while not double.batches:
        await asyncio.sleep(0)
    later = [asked.submit(number) for number in (4, 5)]
    double.door.set()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10]
    assert double.batches == [[1, 2, 3], [4, 5]]


async def test_who_is_left_out_is_answered_alone_and_holds_nobody_up() -> None:
    free = asyncio.Event()

    async def alone(number: int) -> int:
        await free.wait()
        return -number

    double = Doubling(2)
    asked = batcher(double, alone)
    slow, quick = asked.submit(2), asked.submit(1)
    assert await quick == 2
    assert await asked.submit(3) == 6
    assert not slow.done()
    free.set()
    assert await slow == -2


async def test_of_a_batch_that_fails_only_the_one_at_fault_does() -> None:
    async def together(numbers: list[int]) -> Mapping[object, int]:
        raise ValueError("one of them")

    async def alone(number: int) -> int:
        if number == 2:
            raise ValueError(number)
        return number * 2

    asked = batcher(together, alone)
    found = await asyncio.gather(*(asked.submit(n) for n in (1, 2, 3)), return_exceptions=True)
    assert [found[0], found[2]] == [2, 6]
    assert isinstance(found[1], ValueError)


async def test_a_database_that_can_not_be_reached_is_not_asked_one_by_one() -> None:
    tried: list[int] = []

    async def together(numbers: list[int]) -> Mapping[object, int]:
        raise ConnectionRefusedError

    async def alone(number: int) -> int:
        tried.append(number)
        return number

    asked = batcher(together, alone)
    found = await asyncio.gather(*(asked.submit(n) for n in (1, 2)), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionRefusedError] * 2
    assert tried == []


async def test_those_of_one_lane_go_one_after_the_other() -> None:
    double = Doubling()
    asked = batcher(double, lane=lambda number: number % 2)
    await asyncio.gather(*(asked.submit(n) for n in (1, 3, 2, 5)))
    assert double.batches == [[1, 2], [3], [5]]


async def test_one_who_no_longer_waits_disturbs_nobody() -> None:
    double = Doubling()
    double.door.clear()
    asked = batcher(double)
    gone, there = asked.submit(1), asked.submit(2)
    await asyncio.sleep(0)
    gone.cancel()
    double.door.set()
    assert await there == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asked.close()
