"""First steps wait for claims, and not for long."""

import asyncio

from automation_service.claim_burst import ROUND, ClaimBurst

LONG = 60.0


async def waiting(burst: ClaimBurst, count: int) -> tuple[list[int], list["asyncio.Task[None]"]]:
    """So many that wait, and the numbers of those that have begun, in order."""
    begun: list[int] = []

    async def begin(number: int) -> None:
        await burst.wait()
        begun.append(number)

    tasks = [asyncio.create_task(begin(number)) for number in range(count)]
    await asyncio.sleep(0)
    return begun, tasks


async def test_without_a_burst_nothing_waits() -> None:
    burst = ClaimBurst(max_seconds=LONG)
    with burst.hold():
        pass
    begun, _ = await waiting(burst, 3)
    assert begun == [0, 1, 2]


async def test_a_burst_lasts_until_the_last_lets_go() -> None:
    burst = ClaimBurst(max_seconds=LONG)
    with burst.hold():
        with burst.hold():
            begun, tasks = await waiting(burst, 3)
        await asyncio.sleep(0)
        assert begun == []
        tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == [0, 2]


async def test_a_burst_holds_up_nothing_for_longer_than_its_limit() -> None:
    burst = ClaimBurst(max_seconds=0.001)
    with burst.hold():
        begun, tasks = await waiting(burst, 2)
        await asyncio.gather(*tasks)
        assert begun == [0, 1]
        with burst.hold():  # it is spent until all let go
            await burst.wait()
    with burst.hold():
        begun, tasks = await waiting(burst, 2)
        assert begun == []
        await asyncio.gather(*tasks)


async def test_the_loop_has_a_turn_between_those_that_begin() -> None:
    burst = ClaimBurst(max_seconds=LONG)
    with burst.hold():
        begun, tasks = await waiting(burst, 3 * ROUND)
    rounds = []
    late = asyncio.create_task(burst.wait())
    while len(begun) < len(tasks):
        before = len(begun)
        await asyncio.sleep(0)
        rounds.append(len(begun) - before)
    assert max(rounds) <= ROUND
    assert begun == list(range(len(tasks)))
    async with asyncio.timeout(LONG):
        await late
