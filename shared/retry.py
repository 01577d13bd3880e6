"""Retries: how often a failed call is repeated, and the waits in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from shared import errors

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
Transient = Callable[[BaseException], bool]
# attempt that failed, from 1 → seconds until the next
Interval = Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Attempts are counted from 1, the first call included. Waits are seconds."""

    interval: Interval
    maximum_attempts: int | None = None
    # `call` ends when it has waited this long in all
    maximum_total_wait: float | None = None
    # a server that asks for a longer wait is not called again
    maximum_asked_wait: float | None = None
    # each interval is multiplied with a random number between the two
    jitter: tuple[float, float] = (1.0, 1.0)
    sleep: Sleep = asyncio.sleep
    # which errors are followed by another attempt of `call`
    transient: Transient = field(default_factory=lambda: is_unavailable)

    def backoff(self, attempt: int, asked: timedelta | None = None) -> timedelta | None:
        """The wait after a failed attempt; None when no other follows.

        It is at least what the server asked for.
        """
        if self._is_last(attempt, asked):
            return None
        own = timedelta(seconds=self.interval(attempt) * random.uniform(*self.jitter))
        return max(own, asked or timedelta(0))

    async def call(
        self,
        action: Callable[[], Awaitable[T]],
        *,
        transient: Transient | None = None,
        retry_after: Callable[[BaseException], timedelta | None] | None = None,
    ) -> T:
        """Repeats an action that is safe to repeat, and raises its last error.

        `transient` replaces the policy's own, which by default are errors that say that a service
        is unavailable. `retry_after` reads the wait that a server asks for.
        """

        def asked(state: RetryCallState) -> timedelta | None:
            failure = state.outcome.exception() if state.outcome else None
            return retry_after(failure) if retry_after and failure else None

        def wait(state: RetryCallState) -> float:
            found = self.backoff(state.attempt_number, asked(state))
            return 0.0 if found is None else found.total_seconds()

        def stop(state: RetryCallState) -> bool:
            waited = self.maximum_total_wait
            return self._is_last(state.attempt_number, asked(state)) or (
                waited is not None and state.idle_for >= waited
            )

        async def attempt() -> T:
            return await action()

        retrying = AsyncRetrying(
            retry=retry_if_exception(transient or self.transient),
            wait=wait,
            stop=stop,
            sleep=self.sleep,
            reraise=True,
        )
        return await retrying(attempt)

    def _is_last(self, attempt: int, asked: timedelta | None) -> bool:
        if self.maximum_attempts is not None and attempt >= self.maximum_attempts:
            return True
        longest = self.maximum_asked_wait
        return longest is not None and asked is not None and asked.total_seconds() > longest


def exponential(first: float, longest: float) -> Interval:
    """Each interval is twice the one before, up to the longest."""
    return lambda attempt: min(first * 2.0 ** min(attempt - 1, 64), longest)


def linear(step: float) -> Interval:
    return lambda attempt: step * attempt


def table(*waits: timedelta) -> Interval:
    """One wait for each attempt; the policy must not ask for more."""
    return lambda attempt: waits[attempt - 1].total_seconds()


def is_unavailable(error: BaseException) -> bool:
    return isinstance(error, errors.RotaError) and error.code == errors.Code.UNAVAILABLE
