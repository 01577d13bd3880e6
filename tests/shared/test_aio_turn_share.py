"""Work that is quick by itself leaves time to all else, however much of it is ready at once."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.aio import TurnShare, take_turn


async def do_work(
    share: TurnShare, work: Sequence[tuple[str, int]]
) -> tuple[list[list[str]], list["asyncio.Task[None]"]]:
    """What was done in each turn of the loop, of work that is ready at once."""
    turns: list[list[str]] = [[]]

    async def do(by: str, cost: int) -> None:
        await share.take(cost, by=by)
        turns[-1].append(by)

    tasks = [asyncio.create_task(do(by, cost)) for by, cost in work]
    while not all(task.done() for task in tasks):
        turns.append([])
        await asyncio.sleep(0)
    return [turn for turn in turns if turn], tasks


async def test_no_turn_does_more_than_its_share() -> None:
    turns, _ = await do_work(TurnShare(10), [("a", 2)] * 400)
    assert sum(map(len, turns)) == 400
    assert max(map(len, turns)) == 5
    turns, _ = await do_work(TurnShare(10), [("a", 1000)] * 4)
    assert [len(turn) for turn in turns] == [1, 1, 1, 1]


async def test_one_workspace_waits_for_one_turn_of_another() -> None:
    turns, _ = await do_work(TurnShare(10), [("a", 5)] * 200 + [("b", 5)])
    assert ["b" in turn for turn in turns].index(True) <= 2
    assert len(turns) >= 100


async def test_who_has_gone_takes_nothing() -> None:
    share = TurnShare(1)
    tasks = [asyncio.create_task(share.take(1, by="a")) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.wait_for(tasks[3], 10)
    await asyncio.wait_for(share.take(1, by="b"), 10)
    assert tasks[1].cancelled()
    assert tasks[2].cancelled()


def test_each_loop_has_a_share_of_its_own() -> None:
    async def spend() -> None:
        await asyncio.wait_for(take_turn(10**9, by="a"), 10)

    for _ in range(2):
        asyncio.run(spend())  # whose loop ends before the next turn


@pytest.mark.parametrize("cost", [0, 1])
async def test_work_alone_is_done_at_once(cost: int) -> None:
    task = asyncio.create_task(TurnShare(10).take(cost, by="a"))
    await asyncio.sleep(0)
    assert task.done()
