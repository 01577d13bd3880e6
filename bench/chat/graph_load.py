"""Streams of a graph's answers in this process, timed: what the workers without a server share."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from bench.chat.load import AnswerTimes, Report

UNTIL_TOLD: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    model: str
    streams: int
    answers: int  # of each stream, one after another; or `UNTIL_TOLD`
    tokens: int
    delay: float = 0.0
    warm: int = 0  # streams before it says `ready`
    database: str = ""  # of checkpoints, for the service's agent

    @property
    def text(self) -> str:
        return f"<<tokens={self.tokens};delay={self.delay}>> go on"


# Yields the texts of one new answer.
Answer = Callable[[], AsyncIterator[str]]


async def run(order: GraphSpec, answer: Answer) -> Report:
    """Says `ready`, waits for a line, and streams. `UNTIL_TOLD` goes on until another line."""
    await asyncio.gather(*(_one(answer) for _ in range(order.warm)))
    print("ready", flush=True)
    await _line()
    enough = _line() if order.answers == UNTIL_TOLD else None
    cpu, began = time.process_time(), time.perf_counter()
    told = await asyncio.gather(
        *(_run_stream(answer, order.answers, enough) for _ in range(order.streams))
    )
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    streams = [timed for stream in told for timed in stream]
    return Report(began=began, ended=ended, cpu_seconds=cpu, streams=streams)


async def _run_stream(
    answer: Answer, answers: int, enough: "asyncio.Task[str] | None"
) -> list[AnswerTimes]:
    told: list[AnswerTimes] = []
    while len(told) < answers if enough is None else not enough.done():
        told.append(await _one(answer))
        told[-1].is_later = len(told) > 1
    return told


async def _one(answer: Answer) -> AnswerTimes:
    timed, began, last = AnswerTimes(), time.perf_counter(), 0.0
    async for _ in answer():
        now = time.perf_counter()
        timed.first_text = timed.first_text or now - began
        timed.worst_gap = max(timed.worst_gap, now - last if last else 0.0)
        last = now
    timed.first_frame = timed.first_text
    timed.end = time.perf_counter() - began
    return timed


def _line() -> "asyncio.Task[str]":
    return asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
