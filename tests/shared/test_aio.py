"""Loops beside the calls."""

import asyncio
import contextlib

from structlog.testing import capture_logs

from shared.aio import run_every, start_loop, wait_for_stop


async def test_a_sweep_that_fails_comes_again() -> None:
    times, twice = 0, asyncio.Event()

    async def fails() -> None:
        nonlocal times
        times += 1
        if times == 2:
            twice.set()
        raise RuntimeError("no")

    async with contextlib.AsyncExitStack() as stack:
        await start_loop(stack, run_every(0, fails))
        async with asyncio.timeout(60):
            await twice.wait()


async def ends() -> None:
    raise RuntimeError("a fault of ours")


async def goes_on() -> None:
    await asyncio.Event().wait()


async def test_a_loop_that_ends_by_itself_is_told_of_and_one_that_is_stopped_is_not() -> None:
    with capture_logs() as logs:
        async with contextlib.AsyncExitStack() as stack:
            for loop in (ends(), goes_on()):
                await start_loop(stack, loop)
            await asyncio.sleep(0)
    assert [(line["event"], line["what"]) for line in logs] == [("loop_ended", "ends")]


async def test_a_loop_ends_when_it_is_stopped_and_not_before_its_work_is_done() -> None:
    stop, runs = asyncio.Event(), 0

    async def work() -> None:
        nonlocal runs
        stop.set()
        await asyncio.sleep(0)
        runs += 1

    async with asyncio.timeout(60):
        await run_every(3600, work, stop=stop)
        await run_every(3600, work, stop=stop)
    assert runs == 1


async def test_a_failure_goes_to_who_wants_it() -> None:
    stop, errors = asyncio.Event(), list[Exception]()

    def take(error: Exception) -> None:
        errors.append(error)
        if len(errors) == 2:
            stop.set()

    await run_every(0, ends, stop=stop, on_error=take)
    assert [str(error) for error in errors] == ["a fault of ours"] * 2


async def test_a_wait_ends_with_its_time_or_the_stop() -> None:
    stop = asyncio.Event()
    await wait_for_stop(stop, 0)
    stop.set()
    async with asyncio.timeout(60):
        await wait_for_stop(stop, 3600)
