"""Where the wall time of a run goes: its waits, which sum up to it.

A load is `ROTA_BENCH_RUNS` three-step runs, and `ROTA_BENCH_AT_ONCE` slots of one step, each all
due at one moment (`bench.automation.run_waits`).
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from bench.automation import benchmark
from bench.table import Table
from shared.telemetry import logs
from tests.support.system.automation import migrated


async def run() -> Table:
    logs.configure("bench", level="WARNING")
    with benchmark.open_server() as server:
        await asyncio.to_thread(server.template, "bench_automation", migrated)
        whole = await _profile(server, benchmark.RUNS, steps=3)
        burst = await _profile(server, benchmark.AT_ONCE, steps=1)
    names = [f"{benchmark.RUNS} three-step runs", f"{benchmark.AT_ONCE} due at once"]
    rows = [["mean of a run", names[0], "", names[1], ""]]
    found = [whole, burst]
    waits = sorted(
        set(whole["waits"]) | set(burst["waits"]), key=lambda wait: -whole["waits"].get(wait, 0)
    )
    rows += [[wait, *_cells(found, wait)] for wait in waits]
    rows.append(["sum", *_sums(found)])
    rows.append(["wall time", *(cell for one in found for cell in (_ms(one["wall"]), ""))])
    return Table(rows, "\n".join(map(_note, names, found)))


async def _profile(server: Any, count: int, *, steps: int) -> dict[str, Any]:
    with benchmark.open_database(server) as databases, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "waits.json"
        await benchmark.measure_lateness(server, databases, count, steps=steps, report=report)
        found: dict[str, Any] = json.loads(report.read_text())
    if not found["runs"]:
        raise RuntimeError("no run ended in the process that was profiled")
    return found


def _cells(found: list[dict[str, Any]], wait: str) -> list[str]:
    cells = []
    for one in found:
        seconds = one["waits"].get(wait, 0.0)
        cells += [_ms(seconds), f"{seconds / one['wall']:.1%}"]
    return cells


def _sums(found: list[dict[str, Any]]) -> list[str]:
    sums = [sum(one["waits"].values()) for one in found]
    return [
        cell
        for n, one in zip(sums, found, strict=True)
        for cell in (_ms(n), f"{n / one['wall']:.1%}")
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _note(name: str, found: dict[str, Any]) -> str:
    flights = ", ".join(f"{n}: {share:.0%}" for n, share in found["in_flight"].items())
    batches = ", ".join(
        f"{n} of {size:.0f} ({kind})" for kind, (n, size) in found["batches"].items()
    )
    return (
        f"{name}: {found['runs'] / found['span']:.0f} runs a second; the loop is busy for"
        f" {found['busy']:.0%} of the time, late by {_ms(found['lag'])} (p99);"
        f" statements in flight: {flights} of the time; batches: {batches}"
    )
