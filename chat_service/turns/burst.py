"""A burst of messages: answers begin after all of it has been taken.

gRPC hands calls over one by one, each after several rounds of the event loop, and a round lasts as
long as the work of all turns in it. Answers that begin during a burst delay the first frames of
those that come later.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

# So many messages within the gap are a burst, which lasts until the gap brings no more.
MESSAGES: Final = 4
GAP_SECONDS: Final = 0.03
# However many come.
MAX_SECONDS: Final = 0.5


@dataclass(slots=True, kw_only=True)
class Burst:
    """Notes each message. Lone ones, and the first of a burst, are held up by nothing."""

    gap_seconds: float = GAP_SECONDS
    max_seconds: float = MAX_SECONDS
    timer: Callable[[], float] | None = None  # by default the loop's
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=MESSAGES))
    _begun: float = float("-inf")
    _quiet: float = float("-inf")  # when it ends, if no message comes
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def goes_on(self) -> bool:
        return self._now() < self._quiet

    def note(self) -> None:
        """Notes that a message has come."""
        now = self._now()
        self._last.append(now)
        if now < self._quiet:
            self._quiet = min(now + self.gap_seconds, self._begun + self.max_seconds)
        elif len(self._last) == MESSAGES and now - self._last[0] <= self.gap_seconds:
            self._begun, self._quiet = now, now + self.gap_seconds
            self._last.clear()
            self._over.clear()
            asyncio.get_running_loop().call_later(self.gap_seconds, self._end)

    async def wait(self) -> None:
        """Returns when no burst goes on."""
        if self.goes_on:
            await self._over.wait()

    def _end(self) -> None:
        left = self._quiet - self._now()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._end)
        else:
            self._over.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self.timer is None else self.timer()
