"""What goes on beside the calls, for as long as the service runs."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import database, telemetry
from shared.clock import CorrectedClock

log = telemetry.logger(__name__)


async def regularly(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await do()
        except Exception as error:  # noqa: BLE001 - the database is away; the loop goes on
            log.warning("sweep_failed", what=do.__qualname__, error=type(error).__name__)
        await asyncio.sleep(seconds)


async def in_background(stack: contextlib.AsyncExitStack, loop: Coroutine[Any, Any, None]) -> None:
    """Until the stack is left. One that ends by itself is a fault, and is told of."""
    task = asyncio.create_task(loop)
    task.add_done_callback(_tell)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _tell(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        what = getattr(task.get_coro(), "__qualname__", "")
        log.error("loop_ended", what=what, exc_info=task.exception())


async def agreed_clock(stack: contextlib.AsyncExitStack, engine: AsyncEngine) -> CorrectedClock:
    """The system's clock, kept in agreement with the database's."""
    clock = CorrectedClock()
    measure = functools.partial(database.time_of, engine)
    await clock.correct(measure)
    await in_background(stack, clock.follow(measure, asyncio.Event()))
    return clock
