"""A pool of open connections for single short statements.

A connection from the engine's own pool costs two greenlets, each with a stack: about as much as
the statement itself.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# One in so many of the engine's connections may be kept: the rest is for those who come and go.
SHARE: Final = 4
# As long as the pool keeps those it lends.
MAX_AGE_SECONDS: Final = 1800.0

_Idle = list[tuple[AsyncConnection, float]]
_IDLE: Final[WeakKeyDictionary[AsyncEngine, _Idle]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def borrow(
    engine: AsyncEngine, *, max_age_seconds: float = MAX_AGE_SECONDS
) -> AsyncIterator[AsyncConnection]:
    """Lends a connection without a transaction, in place of `engine.connect`.

    The borrower opens no transaction on it. `engine.dispose` closes the idle ones. A connection
    older than `max_age_seconds` is neither lent nor kept.
    """
    idle = _IDLE.get(engine)
    if idle is None:
        idle = _IDLE[engine] = []
        sa.event.listen(engine.sync_engine, "engine_disposed", lambda _: _close(idle))
    lent, since = await _taken(engine, idle, max_age_seconds)
    kept = False
    try:
        yield lent
        kept = len(idle) < _most(engine) and _sound(lent, since, max_age_seconds)
    finally:
        if kept:
            idle.append((lent, since))
        else:
            await lent.close()


async def _taken(
    engine: AsyncEngine, idle: _Idle, max_age_seconds: float
) -> tuple[AsyncConnection, float]:
    while idle:
        lent, since = idle.pop()
        if _sound(lent, since, max_age_seconds):
            return lent, since
        await lent.close()
    return await engine.connect(), time.monotonic()


def _most(engine: AsyncEngine) -> int:
    return engine.pool.size() // SHARE if isinstance(engine.pool, sa.QueuePool) else 0


def _sound(lent: AsyncConnection, since: float, max_age_seconds: float) -> bool:
    sync = lent.sync_connection
    if sync is None or sync.closed or sync.invalidated or sync.in_transaction():
        return False
    under: Any = sync.connection.driver_connection
    return not under.is_closed() and time.monotonic() - since < max_age_seconds


def _close(idle: _Idle) -> None:
    while idle:
        lent, _ = idle.pop()
        if lent.sync_connection is not None:
            lent.sync_connection.invalidate()
            lent.sync_connection.close()
