"""How often something is tried, and how long is waited in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from shared import errors

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`model_tries` for a call of a model; `peer_seconds` in all for one of the other service."""

    model_tries: int = 3
    first_wait: float = 0.5
    longest_wait: float = 20.0
    call_seconds: float = 600.0
    peer_seconds: float = 60.0
    sleep: Sleep = asyncio.sleep

    def wait(self, attempt: int, asked: timedelta | None) -> timedelta | None:
        """How long to wait after a failed try; None when there is to be no other."""
        if attempt >= self.model_tries or (asked and asked.total_seconds() > self.longest_wait):
            return None
        doubled: float = self.first_wait * 2 ** (attempt - 1)
        own = min(doubled, self.longest_wait) * random.uniform(0.75, 1.0)
        return max(timedelta(seconds=own), asked or timedelta(0))

    async def peer(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeats a call that is safe to repeat while its service can't be reached."""
        waited, wait = 0.0, self.first_wait
        while True:
            try:
                return await call()
            except errors.RotaError as exc:
                if exc.code != errors.Code.UNAVAILABLE or waited >= self.peer_seconds:
                    raise
            await self.sleep(wait)
            waited += wait
            wait = min(wait * 2, 5.0)
