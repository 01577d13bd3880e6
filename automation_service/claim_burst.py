"""A burst of runs that are due: their first steps begin after all of it has been claimed.

Firing, dequeuing and claiming share the event loop with steps, and a round of the loop lasts as
long as the work of all of them. Steps that begin during a burst delay the claims of later runs.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# A burst holds up first steps for no longer.
MAX_SECONDS: Final = 2.0
# So many first steps begin in one round of the event loop.
ROUND: Final = 50


@dataclass(slots=True, kw_only=True)
class ClaimBurst:
    """Goes on while anything fires, dequeues or claims runs, for at most `max_seconds`.

    A longer one counts as over until nothing does so for a moment. Steps of runs that have begun
    are not held up.
    """

    max_seconds: float = MAX_SECONDS
    _holders: int = 0
    _over: bool = True
    _limit: asyncio.TimerHandle | None = None
    _waiters: "deque[asyncio.Future[None]]" = field(default_factory=deque)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """The burst goes on inside."""
        self._holders += 1
        if self._holders == 1:
            self._over = False
            loop = asyncio.get_running_loop()
            self._limit = loop.call_later(self.max_seconds, self._end)
        try:
            yield
        finally:
            self._holders -= 1
            if self._holders == 0:
                self._end()

    async def wait(self) -> None:
        """Returns when no burst goes on. Those who came first go first."""
        if self._over and not self._waiters:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if not self._over:
            self._over = True
            self._release()

    def _release(self) -> None:
        for _ in range(min(ROUND, len(self._waiters))):
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self._waiters:
            asyncio.get_running_loop().call_soon(self._release)
