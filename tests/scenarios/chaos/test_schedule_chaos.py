"""Three schedulers and workers killed at random: every slot has one row and at most one run.

`ROTA_CHAOS_SLOTS` sets how many slots there are (2000 is the full size), `ROTA_CHAOS_SEED` who
is killed when.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock, Process
from tests.support.service_parts.agent_server import agent_server
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import START, execute, migrated, news, running, schedule

SLOTS = int(os.environ.get("ROTA_CHAOS_SLOTS", "120"))
SEED = int(os.environ.get("ROTA_CHAOS_SEED", "7"))
AUTOMATIONS = 20
MINUTES = -(-SLOTS // AUTOMATIONS)
FEWEST_KILLS = 4
KILLS = max(FEWEST_KILLS, MINUTES // 4)
# No part of it may take longer; the whole is bounded by the test's own timeout.
SECONDS = 110 + SLOTS / 10
MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)
CONCURRENCIES = ("always", "queue", "drop_if_running", "cancel_running")


@pytest.fixture
def databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("automation_migrated", migrated) as fresh:
        yield fresh


@contextlib.asynccontextmanager
async def three(url: str, keys: Keys, peer: str, clock: FileClock) -> AsyncIterator[list[Process]]:
    found = [
        Process(
            name="automation_service",
            port=(port := free_port()),
            clock=clock,
            log=keys.folder / f"automation-{number}.log",
            environment={
                "DATABASE_URL": url,
                "ROTA_LISTEN": f"127.0.0.1:{port}",
                "ROTA_PEER_ADDRESS": peer,
                "ROTA_JWKS_FILE": str(keys.jwks_file),
                "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
                "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("automation_service")),
                "ROTA_LEASE_SECONDS": "2",
                "ROTA_LOOK_SECONDS": "0.5",
                "ROTA_RECONCILE_SECONDS": "1",
                # The latest of those that nobody saw in time runs all the same.
                "ROTA_ON_TIME_SECONDS": "86400",
                "ROTA_LOG_LEVEL": "WARNING",
            },
        )
        for number in range(3)
    ]
    try:
        await asyncio.gather(*(process.start() for process in found))
        yield found
    finally:
        await asyncio.gather(*(process.kill() for process in found))


async def planned(url: str, keys: Keys) -> None:
    """Automations of every minute, all kinds of concurrency, two steps each."""
    steps = [
        {"step_id": s, "action": "agent_task", "config": {"prompt": s}} for s in ("one", "two")
    ]
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        for number in range(AUTOMATIONS):
            execution = {"concurrency": CONCURRENCIES[number % 4]}
            trigger = schedule("* * * * *", max_fires=SLOTS)
            await rota.create(news(triggers=[trigger], plan=steps, execution=execution))


async def work(request: AgentTask) -> AgentResult:
    await asyncio.sleep(0.05)  # long enough to be killed in
    return answer(cost=1)


async def tick(url: str, clock: FileClock) -> None:
    """A minute once the one before is decided; those that nobody decided in time, all the same."""
    patience = asyncio.get_running_loop().time() + SECONDS / 2
    for minute in range(MINUTES):
        clock.set(FIRST + minute * MINUTE)
        await asyncio.sleep(0.4)  # the pace, not a wait for anything
        while asyncio.get_running_loop().time() < patience:
            [row] = await execute(url, "select count(*) as n from automation_slots")
            if row["n"] >= AUTOMATIONS * (minute + 1):
                break
            await asyncio.sleep(0.1)


async def kill_at_random(
    processes: list[Process], chance: random.Random, ticking: "asyncio.Task[None]"
) -> None:
    """While it ticks, and a few times at least."""
    for number in range(KILLS):
        if ticking.done() and number >= FEWEST_KILLS:
            break
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        victims = chance.sample(processes, chance.choice((1, 1, 2)))
        await asyncio.gather(*(process.kill() for process in victims))
        await asyncio.gather(*(process.start() for process in victims))


async def all_ended(url: str) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            [row] = await execute(
                url,
                "select (select count(*) from automation_slots) as slots, (select count(*)"
                " from automation_runs where status in ('pending', 'running')) as active",
            )
            if row["slots"] >= AUTOMATIONS * MINUTES and row["active"] == 0:
                return
            await asyncio.sleep(0.2)


@pytest.mark.timeout(900)
async def test_every_slot_has_one_row_and_at_most_one_run_whoever_is_killed(
    databases: ServiceDatabases, keys: Keys, tmp_path: Path
) -> None:
    url = databases.automation
    clock = FileClock(tmp_path / "now")
    clock.set(START)
    agent = FakeAgent(work)
    await planned(url, keys)
    async with agent_server(keys, agent) as (peer, _), three(url, keys, peer, clock) as processes:
        ticking = asyncio.create_task(tick(url, clock))
        await asyncio.gather(ticking, kill_at_random(processes, random.Random(SEED), ticking))
        await all_ended(url)
    await check(url, agent)


async def check(url: str, agent: FakeAgent) -> None:
    slots = await execute(
        url,
        "select s.slot_time, s.trigger, s.outcome, s.reason, s.run_id, count(r.id) as runs"
        " from automation_slots s left join automation_runs r"
        " on r.trigger = s.trigger and r.slot_time = s.slot_time group by 1, 2, 3, 4, 5",
    )
    assert len(slots) == len({(s["trigger"], s["slot_time"]) for s in slots})
    assert len(slots) == AUTOMATIONS * MINUTES
    times = {s["slot_time"] for s in slots}
    assert times == {FIRST + minute * MINUTE for minute in range(MINUTES)}
    for slot in slots:
        ran = slot["outcome"] == "fired"
        assert (slot["runs"], slot["run_id"] is not None) == (ran, ran), slot
        # One that was found together with a later one is missed, and says so.
        late = slot["outcome"] == "missed" and "only the latest runs" in slot["reason"]
        assert ran or late or slot["outcome"] == "skipped_overlap", slot
    assert sum(slot["outcome"] == "fired" for slot in slots) > len(slots) / 4
    await check_runs(url, agent)


async def check_runs(url: str, agent: FakeAgent) -> None:
    runs = await execute(
        url,
        "select id, status, error->>'reason' as reason,"
        " definition_snapshot #>> '{execution,concurrency}' as policy from automation_runs",
    )
    replaced = {"status": "cancelled", "reason": "RUN_REPLACED", "policy": "cancel_running"}
    ends = [{key: run[key] for key in replaced} for run in runs if run["status"] != "succeeded"]
    assert [end for end in ends if end != replaced] == []
    whole = [run for run in runs if run["status"] == "succeeded"]
    asked = [task.request_id for task in agent.begun]
    # A step cut short is taken up under the key it had, so no key ever began two tasks.
    assert len(asked) == len(set(asked))
    ids = {run["id"] for run in whole}
    keys = {f"{run['id']}:{step}:1" for run in whole for step in ("one", "two")}
    assert keys <= set(asked)
    assert {key.partition(":")[0] for key in set(asked) - keys} <= {
        str(run["id"]) for run in runs if run not in whole
    }
    ended = await execute(
        url,
        "select run_id, event->'step_updated'->>'step_id' as step, count(*) as times"
        " from run_events where event->'step_updated'->>'status' = 'succeeded' group by 1, 2",
    )
    assert sum(row["run_id"] in ids for row in ended) == 2 * len(whole)
    assert {row["times"] for row in ended} == {1}
    numbered: list[Any] = await execute(
        url, "select run_id from run_events group by 1 having max(sequence) <> count(*)"
    )
    assert numbered == []
