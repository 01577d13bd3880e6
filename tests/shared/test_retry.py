"""Retry policies: attempts, waits, and what ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from automation_service.outbox_worker import RETRY, RETRY_DELAYS
from automation_service.runs.agent_client import RECONNECT
from automation_service.runs.steps.retry import _RETRIES
from chat_service.llm.retry import MODEL, PEER
from shared import errors
from shared.retry import RetryPolicy, exponential, linear, table

AWAY = errors.ServiceUnavailable("away")


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def _failing(times: int, error: BaseException = AWAY) -> Callable[[], Awaitable[int]]:
    """An action that fails some times and then returns how often it was called."""
    calls = 0

    async def action() -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return calls

    return action


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (MODEL, [0.5, 1, None]),
        (PEER, [0.5, 1, 2, 4, 5, 5]),
        (RECONNECT, [0.2, 0.4, 0.8, 1.6, 3, 3]),
        (_RETRIES["exponential"], [1, 2, 4, 8, 16, 32, 60, 60]),
        (_RETRIES["linear"], [5, 10, 15]),
        (_RETRIES["none"], [0, 0, 0]),
        (RETRY, [*(wait.total_seconds() for wait in RETRY_DELAYS), None]),
    ],
    ids=["model", "peer", "reconnect", "exponential", "linear", "none", "webhook"],
)
def test_the_waits_of_each_policy(policy: RetryPolicy, seconds: list[float | None]) -> None:
    even = replace(policy, jitter=(1.0, 1.0))
    waits = [even.backoff(attempt) for attempt in range(1, len(seconds) + 1)]

    assert waits == [None if wait is None else timedelta(seconds=wait) for wait in seconds]


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [(MODEL, 0.75, 1), (PEER, 1, 1), (_RETRIES["exponential"], 0.5, 1), (RETRY, 1, 1.1)],
    ids=["model", "peer", "step", "webhook"],
)
def test_jitter_keeps_within_its_bounds(policy: RetryPolicy, least: float, most: float) -> None:
    for _ in range(100):
        wait = policy.backoff(1)
        assert wait is not None
        assert least <= wait.total_seconds() / policy.interval(1) <= most


def test_a_wait_that_a_server_asks_for_is_kept_unless_it_is_too_long() -> None:
    policy = RetryPolicy(interval=linear(1.0), maximum_asked_wait=10.0)

    assert policy.backoff(1, timedelta(seconds=7)) == timedelta(seconds=7)
    assert policy.backoff(1, timedelta(0)) == timedelta(seconds=1)
    assert policy.backoff(1, timedelta(seconds=11)) is None


def test_intervals_do_not_overflow() -> None:
    assert exponential(0.2, 3.0)(1_000_000) == 3.0
    assert table(timedelta(minutes=1))(1) == 60.0


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    waits = Waits()
    policy = RetryPolicy(interval=exponential(1.0, 3.0), sleep=waits.sleep)

    assert await policy.call(_failing(4)) == 5
    assert waits.seconds == [1, 2, 3, 3]


async def test_the_last_error_is_raised_after_the_last_attempt() -> None:
    waits = Waits()
    policy = RetryPolicy(interval=linear(1.0), maximum_attempts=3, sleep=waits.sleep)

    with pytest.raises(errors.ServiceUnavailable) as caught:
        await policy.call(_failing(9))
    assert caught.value is AWAY
    assert waits.seconds == [1, 2]


async def test_a_call_ends_when_it_has_waited_long_enough() -> None:
    waits = Waits()

    with pytest.raises(errors.ServiceUnavailable):
        await replace(PEER, sleep=waits.sleep).call(_failing(99))
    assert waits.seconds == [0.5, 1, 2, 4, *[5] * 11]
    assert 60 <= sum(waits.seconds) < 65


async def test_an_error_that_is_not_transient_is_raised_at_once() -> None:
    waits = Waits()

    for error in (ZeroDivisionError(), errors.ResourceNotFound("it")):
        with pytest.raises(type(error)):
            await replace(PEER, sleep=waits.sleep).call(_failing(9, error))
    assert waits.seconds == []


async def test_a_call_waits_as_long_as_the_server_asks() -> None:
    waits = Waits()
    policy = replace(MODEL, sleep=waits.sleep)

    def asked(seconds: float) -> Awaitable[int]:
        return policy.call(_failing(1), retry_after=lambda _: timedelta(seconds=seconds))

    assert await asked(7) == 2
    assert waits.seconds == [7]
    with pytest.raises(errors.ServiceUnavailable):
        await asked(21)
    assert waits.seconds == [7]


@pytest.mark.parametrize("sleeping", [False, True], ids=["in the call", "in the wait"])
async def test_a_cancelled_call_ends_at_once(sleeping: bool) -> None:
    begun, calls = asyncio.Event(), 0

    async def action() -> None:
        nonlocal calls
        calls += 1
        begun.set()
        if sleeping:
            raise AWAY
        await asyncio.Event().wait()

    policy = RetryPolicy(interval=linear(3600.0))
    task = asyncio.create_task(policy.call(action, transient=lambda _: sleeping))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert calls == 1
