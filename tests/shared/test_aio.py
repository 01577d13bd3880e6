"""What goes on beside the calls."""

import asyncio
import contextlib

from structlog.testing import capture_logs

from shared.aio import run_every, start_loop


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
