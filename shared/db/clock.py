"""A clock that follows the database's."""

import asyncio
import contextlib
import functools

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.aio import in_background
from shared.clock import CorrectedClock
from shared.db import database


async def agreed_clock(stack: contextlib.AsyncExitStack, engine: AsyncEngine) -> CorrectedClock:
    """The system's clock, kept in agreement with the database's."""
    clock = CorrectedClock()
    measure = functools.partial(database.time_of, engine)
    await clock.correct(measure)
    await in_background(stack, clock.follow(measure, asyncio.Event()))
    return clock
