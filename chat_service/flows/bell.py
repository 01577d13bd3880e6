"""A bell: whoever waits for it goes on when it is rung."""

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bell:
    """`rung` counts, so that a ring between a look and the wait after it is not missed.

    One that waits costs a future and a timer, not a task: thousands wait at once.
    """

    rung: int = 0
    _waiting: "set[asyncio.Future[bool]]" = field(default_factory=set)

    def ring(self) -> None:
        self.rung += 1
        waiting, self._waiting = self._waiting, set()
        for one in waiting:
            _end(one, True)

    async def heard(self, since: int, seconds: float | None = None) -> bool:
        """Waits until it has rung more often than `since`; False when the time is over first."""
        if self.rung != since:
            return True
        loop = asyncio.get_running_loop()
        one: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(one)
        timer = None if seconds is None else loop.call_later(max(seconds, 0), _end, one, False)
        try:
            return await one
        finally:
            self._waiting.discard(one)
            if timer is not None:
                timer.cancel()


def _end(one: "asyncio.Future[bool]", heard: bool) -> None:
    if not one.done():
        one.set_result(heard)
