"""A clock that follows the database's."""

import asyncio
import contextlib
import functools

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.aio import start_loop
from shared.clock import CorrectedClock
from shared.db import database


async def sync_clock(stack: contextlib.AsyncExitStack, engine: AsyncEngine) -> CorrectedClock:
    """Returns the system's clock, corrected to the database's until the stack closes."""
    clock = CorrectedClock()
    measure = functools.partial(database.read_time, engine)
    await clock.correct(measure)
    await start_loop(stack, clock.follow(measure, asyncio.Event()))
    return clock
