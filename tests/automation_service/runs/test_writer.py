"""Many runs are written down together, each for itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence.run_claims import AttemptFenced
from automation_service.queue import PgQueuer
from automation_service.runs.event_log import RunLog, StoreError
from automation_service.runs.steps.results import StepResult
from automation_service.runs.writer import MAX_BATCHED_CHARACTERS, BatchWriter
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.definition.states import RunStatus
from shared.registries.actions.types import AgentResult, AgentTask
from tests.support.credentials.tokens import Keys
from tests.support.database.statements import see_statements
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

FIRST = START + timedelta(seconds=30)


@pytest.fixture
async def writer(db: AsyncEngine, url: str, clock: ManualClock) -> AsyncIterator[BatchWriter]:
    made = BatchWriter(db=db, queue=PgQueuer(url=url), clock=clock, max_failures=2, max_events=100)
    yield made
    await made.close()


async def pending(url: str, keys: Keys, clock: ManualClock, count: int, **more: Any) -> list[UUID]:
    """Runs that nobody has taken, each of an automation of its own."""
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        for _ in range(count):
            await rota.create(news(triggers=[schedule()], **more))
        clock.set(FIRST)
        return await waiting(url, count)


async def waiting(url: str, count: int) -> list[UUID]:
    async def all_there() -> list[Any]:
        found = await execute(url, "select id from automation_runs order by slot_time, id")
        return found if len(found) == count else []

    return [UUID(int=row["id"].int) for row in await until(all_there)]


async def logs(writer: BatchWriter, runs: list[UUID]) -> list[RunLog]:
    claims = await asyncio.gather(*(writer.claim(run) for run in runs))
    return [writer.log(claim) for claim in claims if claim is not None]


def result(output: str = "x") -> StepResult:
    return StepResult(
        step_id="news", action="agent_task", status="succeeded", attempts=1, output=output
    )


async def outputs(url: str) -> dict[UUID, str]:
    rows = await execute(
        url, "select id, step_results -> 0 ->> 'output' as said from automation_runs"
    )
    return {UUID(int=row["id"].int): row["said"] for row in rows}


async def test_runs_at_once_take_a_few_statements_together(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine, writer: BatchWriter
) -> None:
    runs = await pending(url, keys, clock, 12)
    async with see_statements(db) as seen:
        held = await logs(writer, runs)
        assert len(held) == 12
        for log in held:
            log.put_result(result())
        await asyncio.gather(*(log.flush() for log in held))
        await asyncio.gather(*(log.end(RunStatus.SUCCEEDED, None, "x") for log in held))
    assert 0 < len(seen) < 12
    [row] = await execute(url, "select count(*) from automation_runs where status = 'succeeded'")
    assert row["count"] == 12


async def test_the_start_of_a_step_is_stored_with_its_end(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine, writer: BatchWriter
) -> None:
    [log] = await logs(writer, await pending(url, keys, clock, 1))
    async with see_statements(db) as seen:
        log.put_result(replace(result(), status="running", output=None))
        await asyncio.sleep(0)
        log.put_result(result("one"))
        await log.flush()
    assert len([text for text, _ in seen if "run_events" in text]) == 1
    assert await states(url) == ["running", "succeeded"]
    assert await outputs(url) == {log.claim.run: "one"}


async def test_the_start_of_a_long_step_is_stored_meanwhile(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    [log] = await logs(writer, await pending(url, keys, clock, 1))
    log.put_result(replace(result(), status="running", output=None))
    assert await until(lambda: states(url)) == ["running"]
    # What a task tells is not held up by it.
    log.put_result(replace(result(), status="running", output=None, attempts=2))
    log.append({"step_progress": {"step_id": "news", "title": "t"}})
    await log.flush()
    assert await states(url) == ["running", "running"]
    await log.end(RunStatus.SUCCEEDED, None)


async def states(url: str) -> list[str]:
    """What the events of all runs tell of their steps, in order."""
    rows = await execute(
        url,
        "select event -> 'step_updated' ->> 'status' as said from run_events"
        " where event ? 'step_updated' order by run_id, sequence",
    )
    return [row["said"] for row in rows]


async def test_who_was_overtaken_is_told_so_and_the_others_are_stored(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    zombie, *others = await logs(writer, await pending(url, keys, clock, 3))
    assert await writer.claim(zombie.claim.run) is not None
    for log in (zombie, *others):
        log.put_result(result("mine"))
    ended = await asyncio.gather(
        *(log.flush() for log in (zombie, *others)), return_exceptions=True
    )
    assert [type(one) for one in ended] == [AttemptFenced, type(None), type(None)]
    with pytest.raises(AttemptFenced):
        await zombie.end(RunStatus.SUCCEEDED, None)
    assert (await outputs(url))[zombie.claim.run] is None
    assert {(await outputs(url))[log.claim.run] for log in others} == {"mine"}


async def test_a_run_that_somebody_has_locked_holds_up_no_other(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine, writer: BatchWriter
) -> None:
    locked, free = await logs(writer, await pending(url, keys, clock, 2))
    async with database.transaction(db) as connection:
        await connection.execute(
            sa.text("select 1 from automation_runs where id = :id for update"),
            {"id": locked.claim.run},
        )
        for log in (locked, free):
            log.put_result(result("stored"))
        await free.flush()
        late = asyncio.create_task(locked.flush())
        await free.end(RunStatus.SUCCEEDED, None)
        assert not late.done()
    await late
    assert set((await outputs(url)).values()) == {"stored"}


async def test_an_automation_that_somebody_has_locked_holds_up_no_other(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine, writer: BatchWriter
) -> None:
    runs = await pending(url, keys, clock, 2)
    async with database.transaction(db) as connection:
        await connection.execute(
            sa.text(
                "select 1 from automations where id ="
                " (select automation_id from automation_runs where id = :id) for update"
            ),
            {"id": runs[0]},
        )
        late = asyncio.create_task(writer.claim(runs[0]))
        assert await writer.claim(runs[1]) is not None
        assert not late.done()
    assert await late is not None


async def test_what_the_database_refuses_harms_one_run_only(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    bad, good = await logs(writer, await pending(url, keys, clock, 2))
    bad.put_result(result("a\0b"))
    good.put_result(result("fine"))
    ended = await asyncio.gather(bad.flush(), good.flush(), return_exceptions=True)
    assert [type(one) for one in ended] == [StoreError, type(None)]
    assert (await outputs(url))[good.claim.run] == "fine"


async def test_history_has_no_gaps_however_much_is_told_at_once(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    [log] = await logs(writer, await pending(url, keys, clock, 1))
    for number in range(30):
        log.append({"step_progress": {"position": number}})
        if number % 7 == 0:
            await log.flush(max_pending=3)
    await log.end(RunStatus.SUCCEEDED, None)
    rows = await execute(
        url,
        "select sequence, (event -> 'step_progress' ->> 'position')::int as said"
        " from run_events order by sequence",
    )
    assert [row["sequence"] for row in rows] == list(range(1, 33))
    assert [row["said"] for row in rows[1:-1]] == list(range(30))


async def test_what_is_large_is_stored_all_the_same(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    large, small = await logs(writer, await pending(url, keys, clock, 2))
    large.put_result(result("x" * MAX_BATCHED_CHARACTERS))
    small.put_result(result("small"))
    await asyncio.gather(large.flush(), small.flush())
    await asyncio.gather(
        large.end(RunStatus.SUCCEEDED, None, "y" * MAX_BATCHED_CHARACTERS),
        small.end(RunStatus.SUCCEEDED, None),
    )
    rows = await execute(url, "select length(output::text) as size from automation_runs")
    assert sorted(row["size"] or 0 for row in rows) == [0, MAX_BATCHED_CHARACTERS + 2]
    assert sorted(map(len, (await outputs(url)).values())) == [5, MAX_BATCHED_CHARACTERS]


async def test_runs_of_one_automation_that_end_at_once_are_all_counted(
    url: str, keys: Keys, clock: ManualClock, writer: BatchWriter
) -> None:
    """The second failure pauses it, as it would have one after the other."""
    always = {"concurrency": "always"}
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        name = (await rota.create(news(triggers=[schedule()], execution=always))).name
        for minute in range(3):
            clock.set(FIRST + minute * timedelta(minutes=1))
            runs = await waiting(url, minute + 1)
        held = await logs(writer, runs)
        gone = errors.ModelGone("gone")
        await asyncio.gather(*(log.end(RunStatus.FAILED, gone) for log in held))
        found = await rota.get(name)
    assert found.consecutive_failures == 3
    assert found.pause_note == "Paused by the service: 2 runs in a row failed."


async def test_a_step_begins_once_the_result_before_is_stored(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    seen: list[list[str]] = []

    async def act(request: AgentTask) -> AgentResult:
        rows = await execute(rota.url, "select step_results from automation_runs")
        seen.append([step["status"] for row in rows for step in json.loads(row["step_results"])])
        return answer()

    agent.act = act
    plan = [
        {"step_id": s, "action": "agent_task", "config": {"prompt": s}} for s in ("a", "b", "c")
    ]
    name = (await rota.create(news(triggers=[schedule()], plan=plan))).name
    clock.set(FIRST)
    await rota.ended(name)
    assert [found.count("succeeded") for found in seen] == [0, 1, 2]
