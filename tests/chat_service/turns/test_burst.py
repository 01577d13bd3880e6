"""How long answers wait while messages come."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.turns.burst import MESSAGES, Burst


@dataclass(slots=True)
class Timer:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


async def test_messages_that_are_few_or_come_one_after_another_wait_for_nothing() -> None:
    timer = Timer()
    burst = Burst(timer=timer)
    for _ in range(MESSAGES - 1):
        burst.note()
        assert not burst.goes_on
    timer.now += burst.gap_seconds
    for _ in range(20):
        timer.now += burst.gap_seconds / (MESSAGES - 1) * 1.01
        burst.note()
        assert not burst.goes_on


async def test_a_burst_lasts_until_no_more_come() -> None:
    timer = Timer()
    burst = Burst(timer=timer)
    for _ in range(MESSAGES):
        burst.note()
    assert burst.goes_on
    timer.now += burst.gap_seconds * 0.9
    burst.note()
    timer.now += burst.gap_seconds * 0.9
    assert burst.goes_on
    timer.now += burst.gap_seconds
    assert not burst.goes_on


@given(gaps=st.lists(st.floats(0.0, 0.029), min_size=1, max_size=200))
async def test_no_answer_waits_for_longer_than_the_limit(gaps: list[float]) -> None:
    timer = Timer()
    burst = Burst(timer=timer)
    since = None
    for gap in gaps:
        timer.now += gap
        burst.note()
        since = (since or timer.now) if burst.goes_on else None
        assert since is None or timer.now - since <= burst.max_seconds


@pytest.mark.parametrize("answers", [1, 50])
async def test_all_answers_that_wait_begin_when_it_ends(answers: int) -> None:
    burst = Burst(gap_seconds=0.001)
    for _ in range(MESSAGES):
        burst.note()
    async with asyncio.timeout(60):
        await asyncio.gather(*(burst.wait() for _ in range(answers)))
    assert not burst.goes_on
