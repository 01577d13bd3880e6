"""Every slot is accounted for, exactly once, whatever happens."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.queue import PgQueuer
from automation_service.scheduling import scheduler
from automation_service.scheduling.scheduler import Scheduler
from shared.clock import ManualClock
from shared.db import database
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import (
    START,
    Running,
    execute,
    news,
    running,
    schedule,
    until,
)

Slot = pb.Slot
MINUTE = timedelta(minutes=1)
# START is half past a minute, so the first slot of "every minute" is half a minute away.
FIRST = START + timedelta(seconds=30)


def every_minute(concurrency: str = "drop_if_running", **config: Any) -> dict[str, Any]:
    return news(triggers=[schedule("* * * * *", **config)], execution={"concurrency": concurrency})


async def outcomes(rota: Running, name: str, count: int) -> list[str]:
    """Oldest first, once there are so many."""

    async def enough() -> list[Any] | None:
        found = await rota.slots(name)
        return found if len(found) >= count else None

    return [Slot.Outcome.Name(s.outcome) for s in reversed(await until(enough))]


async def test_slots_of_a_paused_automation_are_skipped_and_stay_so(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create(every_minute())).name
    await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=name, note="holidays"))
    clock.set(FIRST + MINUTE)
    assert await outcomes(rota, name, 2) == ["SKIPPED_PAUSED", "SKIPPED_PAUSED"]
    await rota.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name))
    clock.set(FIRST + 2 * MINUTE)
    assert (await outcomes(rota, name, 3))[-1] == "FIRED"
    assert len(await rota.runs(name)) == 1


async def test_slots_before_a_resume_are_decided_as_paused(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute())).name
    await still.call("PauseAutomation", pb.PauseAutomationRequest(name=name))
    api_clock.set(FIRST)
    await still.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name))
    assert await outcomes(still, name, 1) == ["SKIPPED_PAUSED"]


async def test_a_slot_during_a_run_is_dropped(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(every_minute())).name
    clock.set(FIRST)
    await gate.entered.wait()
    clock.set(FIRST + MINUTE)
    assert await outcomes(rota, name, 2) == ["FIRED", "SKIPPED_OVERLAP"]
    gate.opened.set()
    assert len(await rota.ended(name)) == 1


async def test_queued_runs_go_one_by_one_in_order(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(every_minute("queue"))).name
    for minute in range(3):
        clock.set(FIRST + minute * MINUTE)
        await outcomes(rota, name, minute + 1)
    await gate.entered.wait()
    [tokens] = await execute(rota.url, "select count(*) as n from pgqueuer.pgqueuer")
    assert tokens["n"] == 1  # a queued run has no token until its predecessor ends
    gate.opened.set()
    ended = await rota.ended(name, 3)
    times = [(r.slot_time.ToDatetime(), r.name) for r in ended]
    begun = [UUID(task.request_id.partition(":")[0]) for task in agent.begun]
    assert begun == [UUID(run.rpartition("/")[2]) for _, run in sorted(times)]


async def test_a_full_queue_rejects(still: Running) -> None:
    name = (await still.create(every_minute("queue"))).name
    for minute in range(102):
        await still.service.scheduler.fire_due(FIRST + minute * MINUTE)
    found = await outcomes(still, name, 102)
    assert found == [*["FIRED"] * 100, "REJECTED", "REJECTED"]


async def test_always_runs_beside_what_goes_on(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = Gate()
    agent.act = gate
    name = (await rota.create(every_minute("always"))).name
    for minute in range(2):
        clock.set(FIRST + minute * MINUTE)
        await outcomes(rota, name, minute + 1)

    async def both_begun() -> bool:
        return len(agent.begun) == 2

    await until(both_begun)
    gate.opened.set()
    assert len(await rota.ended(name, 2)) == 2


async def test_a_schedule_ends_after_its_fires_or_at_its_end(
    rota: Running, clock: ManualClock
) -> None:
    twice = (await rota.create(every_minute("always", max_fires=2))).name
    ending = FIRST + timedelta(seconds=90)
    till = (await rota.create(every_minute("always", end_time=ending.isoformat()))).name
    for minute in range(5):
        clock.set(FIRST + minute * MINUTE)
        for name in (twice, till):
            await outcomes(rota, name, min(minute + 1, 2))
    for name in (twice, till):
        assert await outcomes(rota, name, 2) == ["FIRED", "FIRED"]
        assert not (await rota.get(name)).triggers[0].HasField("next_fire_time")


async def test_a_late_tick_does_not_drift_the_schedule(rota: Running, clock: ManualClock) -> None:
    name = (await rota.create(every_minute())).name
    clock.set(FIRST + timedelta(seconds=17))
    await outcomes(rota, name, 1)
    trigger = (await rota.get(name)).triggers[0]
    assert trigger.last_fire_time.ToDatetime(tzinfo=START.tzinfo) == FIRST
    assert trigger.next_fire_time.ToDatetime(tzinfo=START.tzinfo) == FIRST + MINUTE


async def test_jitter_delays_the_fire_and_not_the_slot(rota: Running, clock: ManualClock) -> None:
    created = await rota.create(news(triggers=[schedule("0 * * * *", jitter_seconds=600)]))
    due = created.triggers[0].next_fire_time.ToDatetime(tzinfo=START.tzinfo)
    assert FIRST <= due <= FIRST + timedelta(seconds=600)
    clock.set(due)
    assert await outcomes(rota, created.name, 1) == ["FIRED"]
    [slot] = await rota.slots(created.name)
    assert slot.slot_time.ToDatetime(tzinfo=START.tzinfo) == FIRST


async def test_a_run_is_given_what_its_trigger_knows(rota: Running, clock: ManualClock) -> None:
    name = (await rota.create(every_minute("always"))).name
    for minute in range(2):
        clock.set(FIRST + minute * MINUTE)
        await outcomes(rota, name, minute + 1)
    first, second = await rota.ended(name, 2)
    assert dict(first.trigger_payload) == {
        "fired_at": "2026-11-23T08:00:00Z",
        "scheduled_for": "2026-11-23T08:00:00Z",
        "last_fired_at": None,
    }
    assert second.trigger_payload["last_fired_at"] == "2026-11-23T08:00:00Z"
    assert second.inputs["topic"] == "trains"
    assert second.inputs["scheduled_for"] == "2026-11-23T08:01:00Z"
    assert second.definition_snapshot.name == "Morning news"


async def test_two_schedulers_that_race_fire_a_slot_once(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute("always"))).name
    schedulers = [
        Scheduler(
            db=database.create_engine(still.url, schema="automation"),
            queue=PgQueuer(url=still.url),
            clock=api_clock,
        )
        for _ in range(4)
    ]
    api_clock.set(FIRST)
    fired = await asyncio.gather(*(s.fire_due(FIRST) for s in schedulers for _ in range(3)))
    assert sum(fired) == 1
    assert len(await still.runs(name)) == 1
    for one in schedulers:
        await one.db.dispose()


async def test_a_row_that_can_not_be_read_is_disabled_and_hurts_nobody(
    rota: Running, clock: ManualClock
) -> None:
    bad, good = [(await rota.create(every_minute())).name for _ in range(2)]
    await execute(
        rota.url,
        "update automations set definition = jsonb_set(definition,"
        """ '{triggers,0,config,cron}', '"every day"') where resource_id = $1""",
        bad.rpartition("/")[2],
    )
    clock.set(FIRST)
    assert await outcomes(rota, good, 1) == ["FIRED"]
    trigger = (await rota.get(bad)).triggers[0]
    assert not trigger.enabled
    assert trigger.disabled_reason
    assert await rota.slots(bad) == []
    [item] = await until(partial(execute, rota.url, "select * from inbox_items"))
    assert (item["user_id"], item["kind"], item["automation"]) == ("ada", "trigger_disabled", bad)
    assert item["subject"] == "A trigger of Morning news is disabled"
    assert item["body"].endswith(f"is disabled and starts no run. {trigger.disabled_reason}")


async def test_what_is_enqueued_goes_away_with_its_transaction(url: str, db: Any) -> None:
    queue = PgQueuer(url=url)  # no worker takes it
    lost = UUID("0190a0a0-0000-7000-8000-000000000000")

    async def tokens() -> int:
        found = await execute(url, "select 1 from pgqueuer.pgqueuer")
        return len(found)

    with pytest.raises(ZeroDivisionError):
        async with database.transaction(db) as connection:
            await queue.enqueue(connection, [lost])
            raise ZeroDivisionError
    assert await tokens() == 0
    async with database.transaction(db) as connection:
        await queue.enqueue(connection, [lost])
    assert await tokens() == 1


async def test_a_slot_is_decided_in_batches_until_it_is_caught_up(url: str, keys: Keys) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api") as rota:
        name = (await rota.create(every_minute())).name
    clock.set(FIRST + 1200 * MINUTE)
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:

        async def caught_up() -> bool:
            due = (await rota.get(name)).triggers[0].next_fire_time
            return bool(due.ToDatetime(tzinfo=START.tzinfo) == FIRST + 1201 * MINUTE)

        await until(caught_up)
        [ledger] = await execute(url, "select count(*) as n from automation_slots")
        assert ledger["n"] == 1201


async def test_slots_older_than_the_ledger_is_kept_get_no_row(url: str, keys: Keys) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api") as rota:
        name = (await rota.create(news(triggers=[schedule("0 0 * * *")]))).name
    clock.set(START + timedelta(days=10))
    days = {"roles": "api,ticker", "slot_retention_days": 3}
    async with running(url, keys, clock=clock, **days) as rota:
        assert await outcomes(rota, name, 3) == ["MISSED"] * 3
        request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
        request.time.FromDatetime(datetime(2026, 11, 25))  # noqa: DTZ001 - read as UTC
        told = await rota.call("ExplainSlot", request)
        assert told.explanation == "It is older than the ledger is kept."


async def test_a_trigger_computed_by_older_zone_data_is_computed_again(
    url: str, keys: Keys
) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api") as rota:
        name = (await rota.create(every_minute())).name
        await execute(
            url,
            "update automation_triggers set tzdata_version = '2020a',"
            " next_fire_time = next_fire_time + interval '1 year'",
        )
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:

        async def recomputed() -> bool:
            due = (await rota.get(name)).triggers[0].next_fire_time
            return bool(due.ToDatetime(tzinfo=START.tzinfo) == FIRST)

        assert await until(recomputed)


@pytest.mark.parametrize(
    ("fault", "temporary"),
    [
        (asyncpg.DeadlockDetectedError(), True),
        (asyncpg.DiskFullError(), True),
        (asyncpg.LockNotAvailableError(), True),
        (asyncpg.CrashShutdownError(), True),
        (asyncpg.CheckViolationError(), False),
        (ValueError(), False),
    ],
)
def test_a_trigger_is_disabled_for_a_fault_of_its_data_only(
    fault: Exception, temporary: bool
) -> None:
    assert scheduler.is_temporary(fault) is temporary


async def test_one_batch_is_decided_while_another_is_written(
    db: AsyncEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, busy, most = [2, 2, 2, 1], [0], [0]
    both = asyncio.Event()

    async def fire(self: Scheduler, now: datetime, on_full: Callable[[], None]) -> int:
        fired = left.pop(0) if left else 0
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        if fired == self.batch_size:
            on_full()
        if most[0] == scheduler.LANES:
            both.set()
        await asyncio.wait_for(both.wait(), 60)  # the first waits for the second
        busy[0] -= 1
        return fired

    monkeypatch.setattr(Scheduler, "fire_due", fire)
    ticker = Scheduler(db=db, queue=PgQueuer(url=url), clock=ManualClock(START), batch_size=2)
    assert await ticker._fire_batches(asyncio.Event()) == 7
    assert left == []
    assert most == [scheduler.LANES]


async def test_a_lane_that_fails_leaves_the_other_to_end(
    db: AsyncEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    async def fire(self: Scheduler, now: datetime, on_full: Callable[[], None]) -> int:
        if not ended:
            ended.append(0)
            on_full()
            raise OSError("the database went away")
        await asyncio.sleep(0)
        ended.append(1)
        return 1

    monkeypatch.setattr(Scheduler, "fire_due", fire)
    ticker = Scheduler(db=db, queue=PgQueuer(url=url), clock=ManualClock(START), batch_size=2)
    with pytest.raises(OSError, match="went away"):
        await ticker._fire_batches(asyncio.Event())
    assert ended == [0, 1]
