"""Slots and runs: throughput, lateness and cost, beside procrastinate and DBOS.

The service runs in processes of its own on a real clock. `ROTA_BENCH_PROCESSES` gives the roles
of each, separated by spaces (default one process, `ticker,worker`); `ROTA_BENCH_DUE` how many
slots fall due within a minute (default 2000; the goal is 10000; 0 leaves them out),
`ROTA_BENCH_AT_ONCE` how many at one moment, `ROTA_BENCH_RUNS` how many runs have three steps, and
`ROTA_BENCH_PLACES` how many runs may be in progress (default: the service's own default).
`ROTA_BENCH_MILLION=1` adds the tick beside a million triggers, `ROTA_BENCH_PEERS=0` leaves the
peers out.

CPU is counted from just before the first slot is due until all runs have ended. PostgreSQL's part
holds the benchmark's own question, four times a second, how many have.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import triggers
from automation_service.queue import PgQueuer
from automation_service.scheduling.scheduler import BATCH_SIZE, Scheduler
from bench import processes
from bench.automation.peers import install_peers, measure_peer
from bench.automation.rows import (
    clock_before,
    insert_due_automations,
    insert_idle_triggers,
    next_minute,
)
from bench.database import measure_cpu, run_database
from bench.quantiles import quantile
from bench.table import Table, format_ratio
from devstack.postgres.roles import ServiceDatabases
from shared.clock import CorrectedClock
from shared.db import database
from shared.schedule.slots import jitter
from shared.telemetry import logs
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.system.automation import migrated

PROCESSES: Final = os.environ.get("ROTA_BENCH_PROCESSES", "ticker,worker").split()
DUE: Final = int(os.environ.get("ROTA_BENCH_DUE", "2000"))
AT_ONCE: Final = int(os.environ.get("ROTA_BENCH_AT_ONCE", "2000"))
RUNS: Final = int(os.environ.get("ROTA_BENCH_RUNS", "1000"))
PLACES: Final = os.environ.get("ROTA_BENCH_PLACES", "")
WAITING: Final = (
    1_000,
    100_000,
    *((1_000_000,) if os.environ.get("ROTA_BENCH_MILLION") else ()),
)
PEERS: Final = ("procrastinate", "dbos")
ROUNDS: Final = 50
FEW_ROUNDS: Final = 7
FIRED: Final = 100  # by a tick that is timed
# Until the first slot is due: the processes start meanwhile.
START_SECONDS: Final = 12.0
# Before it is due, from which CPU counts.
AHEAD_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Seconds from the due time of runs to their creation, and to their start."""

    made: list[float]
    begun: list[float]
    cpu_ms: float  # of the service's processes, a run
    postgres_ms: float  # of CPU, a run


RAN = """
select trigger, slot_time, create_time, start_time, end_time,
       coalesce((definition_snapshot #>> '{triggers,0,config,jitter_seconds}')::int, 0) as jitter
from automation_runs
"""


async def run() -> Table:
    logs.configure("bench", level="WARNING")
    rows = [["", "ours", "", "", ""]]
    with open_server() as server:
        await asyncio.to_thread(server.template, "bench_automation", migrated)
        whole, runs_a_second = await _whole_runs(server)
        burst, late = await _at_once(server)
        rows += [*whole, *burst]
        rows += await _over_a_minute(server) if DUE else []
        rows += await _ticks(server)
        rows += await _beside(server, runs_a_second, late)
    return Table(
        rows,
        f"PostgreSQL with fsync; {os.cpu_count()} processors for all; agents that answer at "
        f"once; processes of ours: {' + '.join(PROCESSES)}; a peer has one.",
    )


async def _whole_runs(server: SuiteServer) -> tuple[list[list[str]], float]:
    """Runs of three steps, from the first slot to the last end."""
    with open_database(server) as databases:
        found, took = await measure_lateness(server, databases, RUNS, steps=3)
    rows = [
        ["three-step runs a second", f"{RUNS / took:.0f}", "", "", ""],
        *_cpu_rows("three-step runs", found),
    ]
    return rows, RUNS / took


async def _at_once(server: SuiteServer) -> tuple[list[list[str]], list[float]]:
    """Slots all due at one moment."""
    with open_database(server) as databases:
        late, _ = await measure_lateness(server, databases, AT_ONCE, steps=1)
    what = f"{AT_ONCE} due at once"
    rows = [
        [f"{what}, fired a second", f"{AT_ONCE / max(late.made):.0f}", "", "", ""],
        [f"{what}, started a second", f"{AT_ONCE / max(late.begun):.0f}", "", "", ""],
        [f"{what}, fired late by", *_percentiles(late.made), ""],
        [f"{what}, started late by", *_percentiles(late.begun), ""],
        *_cpu_rows(what, late),
    ]
    return rows, late.begun


async def _over_a_minute(server: SuiteServer) -> list[list[str]]:
    """Slots spread over a minute by jitter."""
    with open_database(server) as databases:
        late, _ = await measure_lateness(server, databases, DUE, steps=1, jitter_seconds=60)
    what = f"{DUE} due in a minute"
    return [
        [f"{what}, fired late by", *_percentiles(late.made), ""],
        [f"{what}, started late by", *_percentiles(late.begun), ""],
        *_cpu_rows(what, late),
    ]


def _cpu_rows(what: str, found: Lateness) -> list[list[str]]:
    return [
        [f"{what}, CPU ms a run", f"{found.cpu_ms:.2f}", "", "", ""],
        [f"{what}, PostgreSQL CPU ms a run", f"{found.postgres_ms:.2f}", "", "", ""],
    ]


async def measure_lateness(
    server: SuiteServer,
    databases: ServiceDatabases,
    count: int,
    *,
    steps: int,
    jitter_seconds: int = 0,
    report: Path | None = None,
) -> tuple[Lateness, float]:
    """Returns lateness, and seconds from the creation of the first run to the end of the last.

    With `report`, the processes of the service write there what their runs waited for.
    """
    minute = next_minute()
    insert_due_automations(databases, minute, count, steps=steps, jitter_seconds=jitter_seconds)
    clock = clock_before(minute, START_SECONDS)
    db = database.create_engine(databases.automation, schema="automation")
    try:
        async with _services(databases, clock, report) as pids:
            if clock.now() > minute:
                raise RuntimeError("the services took too long to start")
            await asyncio.sleep((minute - clock.now()).total_seconds() - AHEAD_SECONDS)
            before = _cpu_seconds(pids), measure_cpu(server.server)
            await _wait_for_runs(db, count)
            after = _cpu_seconds(pids), measure_cpu(server.server)
        cpu_ms, postgres_ms = ((b - a) / count * 1000 for a, b in zip(before, after, strict=True))
        return await _read_lateness(db, cpu_ms, postgres_ms)
    finally:
        await db.dispose()


def _cpu_seconds(pids: list[int]) -> float:
    return sum(processes.measure_usage(pid).cpu_seconds for pid in pids)


async def _ticks(server: SuiteServer) -> list[list[str]]:
    """Measures ticks beside many waiting triggers: one without due triggers, one that fires."""
    rows: list[list[str]] = []
    least: tuple[float, float] | None = None
    for count in WAITING:
        with open_database(server) as databases:
            await asyncio.to_thread(insert_idle_triggers, databases, count)
            db = database.create_engine(databases.automation, schema="automation")
            try:
                idle, busy = await _idle_tick(db), await _busy_tick(databases, db)
            finally:
                await db.dispose()
        least = least or (idle, busy)
        what = f"beside {count} triggers, ms"
        rows.append([f"tick {what}", f"{idle:.2f}", format_ratio(idle, least[0]), "", ""])
        rows.append(
            [f"tick that fires {FIRED} {what}", f"{busy:.1f}", format_ratio(busy, least[1]), "", ""]
        )
    return rows


async def _idle_tick(db: AsyncEngine) -> float:
    times = []
    async with db.connect() as connection:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await triggers.find_next_due(connection)
            await triggers.claim_due(connection, datetime.now(UTC), BATCH_SIZE)
            await connection.rollback()
            times.append((time.perf_counter() - began) * 1000)
    return median(times)


async def _busy_tick(databases: ServiceDatabases, db: AsyncEngine) -> float:
    times = []
    for _ in range(FEW_ROUNDS):
        minute = next_minute()
        insert_due_automations(databases, minute, FIRED, steps=1, jitter_seconds=0)
        scheduler = Scheduler(
            db=db,
            queue=PgQueuer(url=databases.automation),
            clock=clock_before(minute, 0),
        )
        began = time.perf_counter()
        fired = await scheduler.fire_due(minute)
        times.append((time.perf_counter() - began) * 1000)
        assert fired == FIRED
    return median(times)


async def _beside(server: SuiteServer, runs: float, late: list[float]) -> list[list[str]]:
    """The peers' figures, and ours over theirs."""
    rows: list[list[str]] = []
    with install_peers() as python:
        if python is None:
            return rows
        for peer in PEERS:
            found = []
            for what, count in (("runs", RUNS), ("due", AT_ONCE)):
                with open_database(server) as databases:
                    found.append(
                        await asyncio.to_thread(
                            measure_peer, python, peer, what, databases.superuser, count
                        )
                    )
            if found[0]:
                rate = found[0][0]
                label = f"three-step runs a second, {peer}"
                rows.append(
                    [label, f"{rate:.0f}", f"ours/theirs {format_ratio(runs, rate)}", "", ""]
                )
            if found[1]:
                label = f"{AT_ONCE} due at once, started late by, {peer}"
                more = f"ours/theirs p99 {format_ratio(_p99(late), _p99(found[1]))}"
                rows.append([label, *_percentiles(found[1]), more])
    return rows


@contextlib.contextmanager
def open_server() -> Iterator[SuiteServer]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rota-bench-")))
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        server = stack.enter_context(run_database(folder))
        connection = stack.enter_context(psycopg.connect(server.dsn, autocommit=True))
        yield SuiteServer(server, connection)


@contextlib.contextmanager
def open_database(server: SuiteServer) -> Iterator[ServiceDatabases]:
    with server.fresh_database("bench_automation", migrated) as databases:
        yield databases


@contextlib.asynccontextmanager
async def _services(
    databases: ServiceDatabases, clock: CorrectedClock, report: Path | None
) -> AsyncIterator[list[int]]:
    offset = str(clock.offset.total_seconds())
    command = [sys.executable, "-m", "bench.automation.service", offset]
    command += [] if report is None else [str(report)]
    async with contextlib.AsyncExitStack() as closers:
        folder = Path(closers.enter_context(tempfile.TemporaryDirectory()))
        keys = Keys(folder=folder)
        environ = {
            "DATABASE_URL": databases.automation,
            "ROTA_PEER_ADDRESS": "127.0.0.1:1",
            "ROTA_JWKS_FILE": str(keys.jwks_file),
            "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
            "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("automation_service")),
            **({"ROTA_CONCURRENT_RUNS": PLACES} if PLACES else {}),
        }
        pids = []
        for number, roles in enumerate(PROCESSES):
            log = folder / f"{number}.log"
            started = processes.run_process(
                command, log=log, environ={**environ, "ROTA_ROLES": roles}
            )
            pids.append(await closers.enter_async_context(started))
            await _wait_until_serving(log)
        yield pids


async def _wait_until_serving(log: Path) -> None:
    async with asyncio.timeout(60):
        while "serving" not in (said := log.read_text()):
            if "Traceback" in said:
                raise RuntimeError(said)
            await asyncio.sleep(0.05)


async def _wait_for_runs(db: AsyncEngine, count: int) -> None:
    async with asyncio.timeout(120 + count / 20):
        while True:
            async with db.connect() as connection:
                ended = await connection.scalar(
                    sa.text("select count(*) from automation_runs where end_time is not null")
                )
            if ended >= count:
                return
            await asyncio.sleep(0.25)


async def _read_lateness(
    db: AsyncEngine, cpu_ms: float, postgres_ms: float
) -> tuple[Lateness, float]:
    async with db.connect() as connection:
        rows: list[Any] = list(await connection.execute(sa.text(RAN)))
    found = [
        (row.slot_time + jitter(str(UUID(str(row.trigger))), row.slot_time, row.jitter), row)
        for row in rows
    ]
    late = Lateness(
        made=[(row.create_time - due).total_seconds() for due, row in found],
        begun=[(row.start_time - due).total_seconds() for due, row in found],
        cpu_ms=cpu_ms,
        postgres_ms=postgres_ms,
    )
    took = max(row.end_time for row in rows) - min(row.create_time for row in rows)
    return late, took.total_seconds()


def _percentiles(found: list[float]) -> list[str]:
    return [
        f"p50 {quantile(found, 50):.2f} s",
        f"p99 {_p99(found):.2f} s",
        f"max {max(found):.2f} s",
    ]


def _p99(found: list[float]) -> float:
    return quantile(found, 99)
