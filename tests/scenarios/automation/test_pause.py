"""What waits when an automation is paused, resumed or archived."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence import run_endings, run_maintenance
from shared import errors
from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from shared.rpc import status
from tests.contract.rows import reason_of
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)
Run = pb.Run


def every_minute(concurrency: str = "queue", **config: Any) -> dict[str, Any]:
    execution = {"concurrency": concurrency, "max_retries": 0}
    return news(triggers=[schedule("* * * * *", **config)], execution=execution)


async def states(rota: Running, name: str) -> list[str]:
    """Of the runs, oldest first."""
    return [Run.State.Name(run.state) for run in reversed(await rota.runs(name))]


async def fire(rota: Running, clock: ManualClock, name: str, count: int) -> None:
    """Fires the next slots, one after the other."""
    before = len(await rota.slots(name))
    for number in range(before, before + count):
        clock.set(FIRST + number * MINUTE)

        async def decided(wanted: int = number + 1) -> bool:
            return len(await rota.slots(name)) >= wanted

        await until(decided)


async def pause(rota: Running, name: str) -> None:
    await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=name))


async def resume(rota: Running, name: str) -> None:
    await rota.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name))


async def archive(rota: Running, name: str) -> None:
    await rota.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name))


async def create_late(rota: Running, after: datetime) -> Any:
    """Creates an hourly automation whose first slot comes due after a moment: jitter is chance."""
    said = news(triggers=[schedule("0 * * * *", jitter_seconds=3_600)])
    while True:
        made = await rota.create(said)
        if made.triggers[0].next_fire_time.ToDatetime(tzinfo=START.tzinfo) > after:
            return made
        await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=made.name))


async def startable(rota: Running) -> tuple[list[Any], list[Any]]:
    """The runs that the reconciler and the end of a run would start."""
    async with rota.service.db.connect() as connection:
        owners = [row["id"] for row in await execute(rota.url, "select id from automations")]
        runnable = await run_maintenance.find_runnable(connection)
        return runnable, await run_endings.find_next_runs(connection, owners)


async def busy(
    rota: Running, clock: ManualClock, agent: FakeAgent, **config: Any
) -> tuple[str, Gate]:
    """An automation with a run that goes on and three that wait for it."""
    agent.act = gate = Gate()
    name = (await rota.create(every_minute(**config))).name
    await fire(rota, clock, name, 1)
    await gate.entered.wait()
    await fire(rota, clock, name, 3)
    assert await states(rota, name) == ["RUNNING", "PENDING", "PENDING", "PENDING"]
    return name, gate


async def first_ended(rota: Running, name: str) -> None:
    async def over() -> bool:
        return (await states(rota, name))[0] == "SUCCEEDED"

    await until(over)


async def test_what_waits_when_paused_begins_after_the_resume_in_its_order(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, gate = await busy(rota, clock, agent)
    await pause(rota, name)
    gate.opened.set()
    await first_ended(rota, name)
    await rota.service.reconciler.reconcile()
    assert await startable(rota) == ([], [])
    assert await states(rota, name) == ["SUCCEEDED", "PENDING", "PENDING", "PENDING"]
    await resume(rota, name)
    assert [run.state for run in await rota.ended(name, 4)] == [Run.SUCCEEDED] * 4
    wanted = [run.name.rpartition("/")[2] for run in reversed(await rota.runs(name))]
    assert [task.request_id.partition(":")[0] for task in agent.begun] == wanted


async def test_a_run_that_waited_longer_than_its_catch_up_window_ends_at_the_resume(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, gate = await busy(rota, clock, agent, catchup_window_seconds=600)
    await pause(rota, name)
    gate.opened.set()
    await first_ended(rota, name)
    # The slots of 8:01 to 8:03 are 10:01, 9:01 and 8:01 minutes old.
    clock.set(FIRST + 11 * MINUTE + timedelta(seconds=1))
    await resume(rota, name)
    _, expired, *younger = await rota.ended(name, 4)
    assert expired.state == Run.CANCELLED
    assert reason_of(expired.error) == "START_EXPIRED"
    assert status.from_status(expired.error).metadata == {
        "slot_time": "2026-11-23T08:01:00Z",
        "catchup_window_seconds": "600",
    }
    assert [run.state for run in younger] == [Run.SUCCEEDED] * 2
    slot = next(s for s in await rota.slots(name) if s.run == expired.name)
    assert slot.outcome == pb.Slot.FIRED
    watched = rota.stub.WatchRun(
        pb.WatchRunRequest(name=expired.name), metadata=rota.keys.user_headers()
    )
    assert [event.ended.state async for event in watched] == [Run.CANCELLED]


async def test_nothing_that_waits_begins_after_the_automatic_pause(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()

    async def fail(request: AgentTask) -> AgentResult:
        await gate(request)
        raise errors.RotaError("it broke")

    async with running(url, keys, clock=clock, agent=agent, max_consecutive_failures=1) as rota:
        agent.act = fail
        name = (await rota.create(every_minute())).name
        await fire(rota, clock, name, 1)
        await gate.entered.wait()
        await fire(rota, clock, name, 2)
        gate.opened.set()

        async def paused() -> bool:
            return bool((await rota.get(name)).state == pb.Automation.PAUSED)

        await until(paused)
        await rota.service.reconciler.reconcile()
        assert await startable(rota) == ([], [])
        assert await states(rota, name) == ["FAILED", "PENDING", "PENDING"]
        assert len(agent.begun) == 1


@pytest.mark.parametrize("was_paused", [False, True])
async def test_what_waits_ends_when_its_automation_is_archived(
    rota: Running, clock: ManualClock, agent: FakeAgent, was_paused: bool
) -> None:
    name, gate = await busy(rota, clock, agent)
    if was_paused:
        await pause(rota, name)
    await archive(rota, name)
    gate.opened.set()
    first, *waiting = await rota.ended(name, 4)
    assert first.state == Run.SUCCEEDED
    assert [run.state for run in waiting] == [Run.CANCELLED] * 3
    assert {reason_of(run.error) for run in waiting} == {"CANCELLED"}
    assert {run.error.message for run in waiting} == {
        "the automation was archived before the run began"
    }
    assert len(agent.begun) == 1


@pytest.mark.parametrize("concurrency", ["queue", "always"])
async def test_a_run_that_no_worker_took_waits_whatever_the_concurrency(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, concurrency: str
) -> None:
    async with running(url, keys, clock=clock, agent=agent, roles="api,ticker") as rota:
        name = (await rota.create(every_minute(concurrency))).name
        await fire(rota, clock, name, 1)
        await pause(rota, name)
    # Its queue entry is still there.
    async with running(url, keys, clock=clock, agent=agent) as rota:

        async def taken() -> bool:
            [entries] = await execute(url, "select count(*) as n from pgqueuer.pgqueuer")
            return bool(entries["n"] == 0)

        await until(taken)
        assert await states(rota, name) == ["PENDING"]
        await resume(rota, name)
        assert [run.state for run in await rota.ended(name)] == [Run.SUCCEEDED]


async def test_a_run_in_progress_changes_its_worker_while_its_automation_is_paused(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    async with running(url, keys, clock=clock, agent=agent) as rota:
        name = (await rota.create(every_minute())).name
        await fire(rota, clock, name, 1)
        await gate.entered.wait()
        await pause(rota, name)
    agent.act = None
    gate.opened.set()
    async with running(url, keys, clock=clock, agent=agent) as rota:
        [run] = await rota.ended(name)
        assert (run.state, run.attempt) == (Run.SUCCEEDED, 2)


async def test_a_slot_inside_its_jitter_fires_at_the_pause_and_its_run_waits(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    moment = FIRST + timedelta(seconds=1)
    name = (await create_late(rota, moment)).name
    clock.set(moment)
    await pause(rota, name)
    [slot] = await rota.slots(name)
    assert slot.outcome == pb.Slot.FIRED
    assert slot.reason.startswith("It fired at once, because the automation changed before")
    assert await startable(rota) == ([], [])
    clock.set(FIRST + timedelta(minutes=5))
    await resume(rota, name)
    assert [run.state for run in await rota.ended(name)] == [Run.SUCCEEDED]


async def test_a_slot_that_came_before_the_automatic_pause_is_no_slot_of_the_pause(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    async def fail(_: AgentTask) -> AgentResult:
        raise errors.RotaError("it broke")

    agent.act = fail
    said = every_minute("always")
    jittered = {**schedule("0 * * * *", jitter_seconds=3_600), "trigger_id": "u"}
    said["definition"]["triggers"] = [schedule("0 * * * *"), jittered]
    async with running(url, keys, clock=clock, agent=agent, max_consecutive_failures=1) as rota:
        name = (await rota.create(said)).name
        clock.set(FIRST)
        await rota.ended(name)
        paused = await rota.get(name)
        assert paused.state == pb.Automation.PAUSED
        clock.set(paused.triggers[1].next_fire_time.ToDatetime(tzinfo=START.tzinfo))

        async def decided(count: int) -> list[Any] | None:
            found = await rota.slots(name)
            return found if len(found) >= count else None

        await until(partial(decided, 2))
        clock.set(FIRST + timedelta(hours=1))
        outcomes = {
            (slot.trigger[-1], slot.local_time[-5:]): pb.Slot.Outcome.Name(slot.outcome)
            for slot in await until(partial(decided, 3))
        }
        assert outcomes == {
            ("t", "08:00"): "FIRED",
            ("u", "08:00"): "FIRED",
            ("t", "09:00"): "SKIPPED_PAUSED",
        }
        assert await states(rota, name) == ["FAILED", "PENDING"]
