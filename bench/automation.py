"""Slots and runs: how many, how late, at what cost; beside procrastinate and DBOS.

`ROTA_BENCH_DUE` sets how many fall due within a minute (default 2000, the goal is 10000),
`ROTA_BENCH_MILLION=1` adds the tick beside a million triggers, `ROTA_BENCH_PEERS=0` leaves the
peers out.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service import bootstrap
from automation_service.persistence import triggers
from bench.peers import runs_a_second
from bench.table import Table, ratio
from devstack.postgres_roles import ServiceDatabases
from shared import database, telemetry
from shared.clock import CorrectedClock
from tests.support.agents import FakeAgent, FixedCatalogue
from tests.support.automation import migrated, news, settings_for
from tests.support.automation import schedule as trigger_of
from tests.support.postgres import SuiteServer, suite_server
from tests.support.tokens import Keys

DUE = int(os.environ.get("ROTA_BENCH_DUE", "2000"))
RUNS = 1000
WAITING = (1_000, 100_000, *((1_000_000,) if os.environ.get("ROTA_BENCH_MILLION") else ()))
MINUTE = timedelta(minutes=1)
ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of runs: how long after their due time they were made, and had begun, in seconds."""

    made: list[float]
    begun: list[float]


async def run() -> Table:
    telemetry.configure("bench", level="WARNING")
    rows = [["", "ours", "", "", ""]]
    with suite_server() as server:
        await asyncio.to_thread(server.template, "bench_automation", migrated)
        rows += await _at_once(server)
        rows += await _over_a_minute(server)
        rows += await _ticks(server)
        with _fresh(server) as peers_database:
            rows += _beside(rows[1][1], peers_database.superuser)
    return Table(rows, "PostgreSQL without fsync, agents that answer at once, one process a side.")


async def _at_once(server: SuiteServer) -> list[list[str]]:
    """Slots all due at one moment, each a run of three steps."""
    with _fresh(server) as databases:
        clock = _clock(seconds_before=2.0)
        _fill(databases, clock, RUNS, steps=3)
        async with _service(databases, clock) as store:
            await _all_ended(store, RUNS)
            late = await _lateness(store)
            async with store.connect() as connection:
                took: Any = await connection.scalar(
                    sa.text(
                        "select extract(epoch from max(end_time) - min(create_time))"
                        " from automation_runs"
                    )
                )
    return [
        ["three-step runs a second", f"{RUNS / float(took):.0f}", "", "", ""],
        [f"{RUNS} due at once, started a second", f"{RUNS / max(late.made):.0f}", "", "", ""],
        [f"{RUNS} due at once, fired late by", *_percentiles(late.made), ""],
    ]


async def _over_a_minute(server: SuiteServer) -> list[list[str]]:
    """Slots spread over a minute by jitter."""
    with _fresh(server) as databases:
        clock = _clock(seconds_before=2.0)
        _fill(databases, clock, DUE, steps=1, jitter_seconds=60)
        async with _service(databases, clock) as store:
            await _all_ended(store, DUE)
            late = await _lateness(store)
    return [
        [f"{DUE} due in a minute, fired late by", *_percentiles(late.made), ""],
        [f"{DUE} due in a minute, begun late by", *_percentiles(late.begun), ""],
    ]


async def _ticks(server: SuiteServer) -> list[list[str]]:
    """What looking for due triggers costs beside many that wait."""
    found: list[tuple[int, float]] = []
    for count in WAITING:
        with _fresh(server) as databases:
            with psycopg.connect(databases.superuser, autocommit=True) as connection:
                connection.execute(_waiting(count).encode())
            engine = database.engine(databases.automation, schema="automation")
            async with engine.connect() as connection:
                found.append((count, await _tick(connection)))
            await engine.dispose()
    least = found[0][1]
    return [
        [f"tick beside {count} triggers, ms", f"{took:.2f}", ratio(took, least), "", ""]
        for count, took in found
    ]


async def _tick(connection: AsyncConnection) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await triggers.next_due(connection)
        await triggers.claim_due(connection, datetime.now(UTC), 50)
        await connection.rollback()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _beside(ours: str, dsn: str) -> list[list[str]]:
    rows = []
    for peer in ("procrastinate", "dbos"):
        figure = runs_a_second(peer, dsn, RUNS)
        said = "not available" if figure is None else f"{figure:.0f}"
        more = "" if figure is None else ratio(float(ours), figure)
        rows.append([f"three-step runs a second, {peer}", said, f"ours/theirs {more}", "", ""])
    return rows


@contextlib.contextmanager
def _fresh(server: SuiteServer) -> Any:
    with server.fresh_database("bench_automation", migrated) as databases:
        yield databases


@contextlib.asynccontextmanager
async def _service(databases: ServiceDatabases, clock: CorrectedClock) -> AsyncIterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(
            databases.automation, Keys(folder=Path(folder)), roles="ticker,worker", pool_size=20
        )
        quiet = settings.model_copy(update={"concurrent_runs": 100})
        async with bootstrap.service(
            quiet, clock=clock, agent=FakeAgent(), source=FixedCatalogue()
        ) as service:
            yield service.store


def _clock(seconds_before: float) -> CorrectedClock:
    """A clock on which the next minute is so many seconds away."""
    clock = CorrectedClock()
    now = clock.now()
    minute = now.replace(second=0, microsecond=0) + MINUTE
    clock.offset = minute - timedelta(seconds=seconds_before) - now
    return clock


def _fill(
    databases: ServiceDatabases, clock: CorrectedClock, count: int, *, steps: int, **config: Any
) -> None:
    """Automations with one slot each, at the next minute of the clock."""
    plan = [
        {"step_id": f"s{n}", "action": "agent_task", "config": {"prompt": "go"}}
        for n in range(steps)
    ]
    trigger = trigger_of(max_fires=1, **config)
    definition = _canonical(news(triggers=[trigger], plan=plan))
    with psycopg.connect(databases.superuser, autocommit=True) as connection:
        connection.execute(
            _AUTOMATIONS.encode(), {"count": count, "now": clock.now(), "said": definition}
        )


def _canonical(said: dict[str, Any]) -> str:
    from shared.canonical import canonical_bytes
    from shared.definition import AutomationCreate, dump

    return canonical_bytes(dump(AutomationCreate.model_validate(said).definition)).decode()


async def _all_ended(store: Any, count: int) -> None:
    async with asyncio.timeout(60 + count / 20):
        while True:
            async with store.connect() as connection:
                ended = await connection.scalar(
                    sa.text("select count(*) from automation_runs where end_time is not null")
                )
            if ended >= count:
                return
            await asyncio.sleep(0.25)


async def _lateness(store: Any) -> Lateness:
    from shared.schedule import jitter

    async with store.connect() as connection:
        rows = await connection.execute(
            sa.text(
                "select trigger, slot_time, create_time, start_time,"
                " definition_snapshot->'triggers'->0->'config'->'jitter_seconds' as jitter"
                " from automation_runs"
            )
        )
        found = [
            (row.slot_time + jitter(str(row.trigger), row.slot_time, int(row.jitter or 0)), row)
            for row in rows
        ]
    return Lateness(
        [(row.create_time - due).total_seconds() for due, row in found],
        [(row.start_time - due).total_seconds() for due, row in found],
    )


def _percentiles(found: list[float]) -> list[str]:
    cuts = quantiles(found, n=100)
    return [f"p50 {cuts[49]:.2f} s", f"p99 {cuts[98]:.2f} s", f"max {max(found):.2f} s"]


_OWNERS = """
set session_replication_role = replica;
set search_path = automation;
insert into workspaces (id, create_time) values ('w', now());
"""
_AUTOMATIONS = """
with tenants as (
  insert into automation.workspaces values ('w', now()) returning 1
), people as (
  insert into automation.users values ('ada', '', '', now()) returning 1
), members as (
  insert into automation.memberships (workspace_id, user_id, role, seen_time)
  values ('w', 'ada', 'owner', now()) returning 1
), made as (
  insert into automation.automations
    (id, workspace_id, resource_id, creator_id, name, description, status, definition, revision,
     version, create_time, update_time)
  select gen_random_uuid(), 'w', 'a' || n, 'ada', 'a', '', 'active', %(said)s::jsonb, 1, 1,
         %(now)s, %(now)s
  from generate_series(1, %(count)s) n returning id
)
insert into automation.automation_triggers
  (id, automation_id, trigger_id, type, enabled, decided_until, next_fire_time, tzdata_version,
   create_time)
select gen_random_uuid(), id, 't', 'schedule', true, %(now)s,
       date_trunc('minute', %(now)s::timestamptz) + interval '1 minute', '0', %(now)s
from made
"""


def _waiting(count: int) -> str:
    return f"""{_OWNERS}
    insert into automations (id, workspace_id, resource_id, name, description, status, definition,
      revision, version, create_time, update_time)
    select lpad(to_hex(n), 32, '0')::uuid, 'w', 'a' || n, 'a', '', 'active', '{{}}', 1, 1, now(),
      now() from generate_series(0, 999) n;
    insert into automation_triggers (id, automation_id, trigger_id, type, enabled, decided_until,
      next_fire_time, tzdata_version, create_time)
    select gen_random_uuid(), lpad(to_hex(n % 1000), 32, '0')::uuid, n::text, 'schedule', true,
      now(), now() + interval '1 day' + n * interval '1 second', '2026a', now()
    from generate_series(1, {count}) n;
    analyze automation_triggers;
    """
