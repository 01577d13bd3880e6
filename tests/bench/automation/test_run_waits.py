"""The waits of a run sum up to its wall time."""

import asyncio
import time
from uuid import uuid4

import pytest

from bench.automation.run_waits import LOOP, PYTHON, STEPS, RunWaits, Timeline


async def test_the_waits_of_runs_sum_up_to_their_wall_time() -> None:
    waits = RunWaits()
    samples = asyncio.create_task(waits.sample())
    runs = [uuid4() for _ in range(3)]
    for run in runs:
        now = time.perf_counter()
        waits.runs[run] = Timeline(wait="queue", since=now, began=now)
    await asyncio.sleep(0)
    waits.move(runs, "claim", "a statement")
    for line in waits.runs.values():
        line.move(wait=STEPS)
        line.move(blocked=True)
    waits.move(runs, "result", "a statement")
    while len(waits.samples) < 2:
        await asyncio.sleep(0.001)
    for line in waits.runs.values():
        line.python = 0.0005
        line.move(blocked=False)
        line.ended = line.since
    while waits.samples[-1][0] < max(line.since for line in waits.runs.values()):
        await asyncio.sleep(0.001)
    samples.cancel()
    found = waits.report()
    assert found["runs"] == 3
    assert sum(found["waits"].values()) == pytest.approx(found["wall"])
    assert {"queue", "claim: a statement", "result: a statement", PYTHON, LOOP} <= set(
        found["waits"]
    )
    assert sum(found["in_flight"].values()) == pytest.approx(1, abs=0.01)
