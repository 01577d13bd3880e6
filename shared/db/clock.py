"""A clock that follows the database's."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.aio import run_every, start_loop
from shared.clock import CorrectedClock
from shared.db import database

# How often the difference to the database's clock is measured.
MEASURE_SECONDS: Final = 60.0


async def sync_clock(stack: contextlib.AsyncExitStack, engine: AsyncEngine) -> CorrectedClock:
    """Returns the system's clock, corrected to the database's until the stack closes."""
    clock = CorrectedClock()
    measure = functools.partial(database.read_time, engine)
    await clock.correct(measure)
    await start_loop(stack, follow_clock(clock, measure))
    return clock


async def follow_clock(
    clock: CorrectedClock,
    measure: Callable[[], Awaitable[datetime]],
    stop: asyncio.Event | None = None,
    *,
    seconds: float = MEASURE_SECONDS,
) -> None:
    """Corrects the clock every `seconds` until `stop`. A measurement that fails changes nothing."""
    correct = functools.partial(clock.correct, measure)
    await run_every(seconds, correct, stop=stop, on_error=lambda _: None, delay=seconds)
