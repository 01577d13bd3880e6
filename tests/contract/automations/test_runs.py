"""Runs over the wire: lists, history, cancelling."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.errors import Code
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import (
    START,
    Running,
    execute,
    new_request_id,
    news,
    running,
    schedule,
    until,
)

FIRST = START + timedelta(seconds=30)
SAID = news(triggers=[schedule()], execution={"concurrency": "queue"})


async def cancel(rota: Running, name: str, **fields: Any) -> Any:
    return await rota.call("CancelRun", pb.CancelRunRequest(name=name, **fields))


async def watched(rota: Running, name: str, after: int = 0) -> list[Any]:
    request = pb.WatchRunRequest(name=name, after_sequence=after)
    call = rota.stub.WatchRun(request, metadata=rota.keys.user_headers(), timeout=60)
    return [event async for event in call]


async def test_a_list_of_runs_leaves_out_what_is_large(rota: Running, clock: ManualClock) -> None:
    one, two = [(await rota.create(SAID)).name for _ in range(2)]
    clock.set(FIRST)
    [run], [other] = await rota.ended(one), await rota.ended(two)
    [listed] = await rota.runs(one)
    assert listed.name == run.name
    assert not listed.HasField("definition_snapshot")
    assert not listed.HasField("output")
    assert len(listed.step_results) == 0
    both = await rota.call("ListRuns", pb.ListRunsRequest(parent="workspaces/w/automations/-"))
    assert {r.name for r in both.runs} == {run.name, other.name}
    for text, count in (("state = SUCCEEDED", 1), ("state = FAILED", 0)):
        request = pb.ListRunsRequest(parent=one, filter=text)
        assert len((await rota.call("ListRuns", request)).runs) == count


async def test_the_history_of_a_run_is_numbered_replayed_and_ends(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    [run] = await rota.runs(name)
    live = asyncio.create_task(watched(rota, run.name))
    gate.opened.set()
    events = await live
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    kinds = [e.WhichOneof("event") for e in events]
    assert (kinds[0], kinds[-1]) == ("started", "ended")
    assert set(kinds[1:-1]) == {"step_updated"}
    assert events[-1].ended.state == pb.Run.SUCCEEDED
    assert await watched(rota, run.name) == events
    assert await watched(rota, run.name, after=2) == events[2:]
    assert await watched(rota, run.name, after=len(events)) == []


async def test_a_running_run_is_cancelled_within_seconds(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    [run] = await rota.runs(name)
    request_id = new_request_id()
    await cancel(rota, run.name, request_id=request_id)
    [ended] = await rota.ended(name)
    assert ended.state == pb.Run.CANCELLED
    assert ended.step_results[0].status == pb.StepResult.CANCELLED
    assert "CANCELLED" in str(ended.error)
    assert agent.cancelled == {agent.begun[0].request_id}
    again = await cancel(rota, run.name, request_id=request_id)
    assert again.state == pb.Run.CANCELLED
    found = await refusal(cancel(rota, run.name))
    assert (found.code, found.reason) == (Code.FAILED_PRECONDITION, "STATE_CONFLICT")


async def test_a_run_that_waits_is_cancelled_at_once_and_the_next_one_goes_on(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    for minute in range(3):
        clock.set(FIRST + minute * timedelta(minutes=1))

        async def enough(count: int = minute + 1) -> bool:
            return len(await rota.runs(name)) == count

        await until(enough)
    await gate.entered.wait()
    last, middle, first = await rota.runs(name)
    assert (await cancel(rota, middle.name)).state == pb.Run.CANCELLED
    gate.opened.set()
    ended = await rota.ended(name, 3)
    assert [r.state for r in ended] == [pb.Run.SUCCEEDED, pb.Run.CANCELLED, pb.Run.SUCCEEDED]
    assert [r.name for r in ended] == [first.name, middle.name, last.name]


@pytest.mark.parametrize("roles", ["api,ticker"])
async def test_a_run_that_no_worker_takes_is_pending(
    url: str, keys: Keys, clock: ManualClock, roles: str
) -> None:
    async with running(url, keys, clock=clock, roles=roles) as rota:
        name = (await rota.create(SAID)).name
        clock.set(FIRST)
        [run] = await until(lambda: rota.runs(name))
        assert (run.state, run.attempt) == (pb.Run.PENDING, 0)
        assert (await cancel(rota, run.name)).state == pb.Run.CANCELLED
        assert [e.WhichOneof("event") for e in await watched(rota, run.name)] == ["ended"]


async def test_a_run_that_is_deleted_while_it_is_cancelled_is_not_found(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    [run] = await rota.runs(name)
    connection = await asyncpg.connect(rota.url, server_settings={"search_path": "automation"})
    try:
        async with connection.transaction():
            await connection.execute("delete from automations")
            found = asyncio.create_task(refusal(cancel(rota, run.name)))

            async def waits() -> bool:
                waiting = "select 1 from pg_locks where not granted"
                return bool(await execute(rota.url, waiting))

            await until(waits)
        assert (await found).reason == "RESOURCE_NOT_FOUND"
    finally:
        await connection.close()
        gate.opened.set()


async def test_deleting_the_automation_stops_its_run(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(SAID)).name
    clock.set(FIRST)
    await gate.entered.wait()
    await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=name))

    async def stopped() -> bool:
        return agent.cancelled == {agent.begun[0].request_id}

    assert await until(stopped)
