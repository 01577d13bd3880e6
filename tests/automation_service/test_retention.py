"""What is no longer kept goes, a little at a time, and nothing else does."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.inbox.items import add_items
from automation_service.retention import AutomationRetention, RetentionPolicy
from shared.clock import ManualClock
from shared.db import database
from shared.errors import Code
from tests.automation_service.inbox.test_items import item
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FIRST = START + timedelta(seconds=30)


async def with_runs(rota: Running, clock: ManualClock, count: int) -> str:
    """An automation with so many ended runs, a minute apart."""
    name = str((await rota.create(news(triggers=[schedule()]))).name)
    for minute in range(count):
        clock.set(FIRST + minute * MINUTE)
        await rota.ended(name, minute + 1)
    return name


async def counted(url: str) -> dict[str, int]:
    tables = ("automation_runs", "automation_slots", "run_events", "requests", "audit_events")
    found = await execute(
        url, " union all ".join(f"select '{t}' as name, count(*) as n from {t}" for t in tables)
    )
    return {row["name"]: row["n"] for row in found}


def sweeper(
    db: AsyncEngine, clock: ManualClock, batches: tuple[int, int] = (500, 200), **kept: Any
) -> AutomationRetention:
    """`batches`: of rows, and of automations."""
    rows, automations = batches
    policy = RetentionPolicy(**kept)
    return AutomationRetention(
        db=db, clock=clock, policy=policy, batch=rows, automation_batch=automations
    )


async def watched(rota: Running, run: str, after: int = 0) -> list[Any]:
    request = pb.WatchRunRequest(name=run, after_sequence=after)
    call = rota.stub.WatchRun(request, metadata=rota.keys.user_headers(), timeout=60)
    return [event async for event in call]


async def test_old_runs_go_with_their_events_and_their_slots_stay(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    name = await with_runs(rota, clock, 3)
    later = ManualClock(FIRST + DAY + MINUTE / 2)
    swept = await sweeper(db, later, runs=DAY).delete_expired()
    assert swept["runs"] == 1
    assert len(await rota.runs(name)) == 2
    oldest = (await rota.slots(name))[-1]
    assert (oldest.outcome, oldest.run) == (pb.Slot.FIRED, "")
    left = await execute(rota.url, "select distinct run_id from run_events")
    assert len(left) == 2


async def test_events_below_the_floor_are_out_of_range(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    name = await with_runs(rota, clock, 2)
    later = ManualClock(FIRST + 7 * DAY + MINUTE / 2)
    assert (await sweeper(db, later).delete_expired())["events"] == 1
    young, old = await rota.runs(name)
    assert len(await watched(rota, young.name)) > 2
    found = await refusal(watched(rota, old.name))
    assert (found.code, found.reason) == (Code.OUT_OF_RANGE, "STREAM_TRUNCATED")
    floor = int(found.metadata["floor"])
    assert await watched(rota, old.name, after=floor) == []
    assert (await rota.run(old.name)).state == pb.Run.SUCCEEDED


async def test_a_run_that_goes_on_is_kept_however_old(
    url: str, keys: Keys, clock: ManualClock, db: AsyncEngine
) -> None:
    async with running(url, keys, clock=clock) as rota:
        await with_runs(rota, clock, 1)
    # Once nobody is there who would carry it out.
    await execute(url, "update automation_runs set status = 'running', end_time = null")
    later = ManualClock(FIRST + 1000 * DAY)
    swept = await sweeper(db, later, max_runs=0).delete_expired()
    assert (swept["runs"], swept["events"]) == (0, 0)


async def test_the_newest_of_each_automation_are_kept(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    other = str((await rota.create(news(triggers=[schedule("0 8 * * *")]))).name)
    name = await with_runs(rota, clock, 6)
    newest = [run.name for run in (await rota.runs(name))[:2]]
    swept = await sweeper(db, clock, batches=(2, 1), max_runs=2, max_slots=3).delete_expired()
    assert (swept["runs"], swept["slots"]) == (4, 3)
    assert [run.name for run in await rota.runs(name)] == newest
    assert len(await rota.slots(name)) == 3
    assert len(await rota.runs(other)) == 1


async def test_old_slots_go_and_are_explained_as_too_old(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    name = await with_runs(rota, clock, 2)
    clock.set(FIRST + 90 * DAY + MINUTE / 2)
    swept = await sweeper(db, clock).delete_expired()
    assert swept["slots"] >= 1
    request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
    request.time.FromDatetime(FIRST)
    explained = await rota.call("ExplainSlot", request)
    assert explained.explanation == "It is older than the ledger is kept."


async def test_request_ids_go_but_for_those_of_automations_that_are_there(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    ids = [str(UUID(int=n)) for n in range(1, 4)]
    kept = (await rota.create(request_id=ids[0])).name
    gone = (await rota.create(request_id=ids[1])).name
    pause = pb.PauseAutomationRequest(name=kept, request_id=ids[2])
    await rota.call("PauseAutomation", pause)
    await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=gone))
    swept = await sweeper(db, ManualClock(START + 31 * DAY)).delete_expired()
    assert swept["requests"] == 2
    assert (await rota.create(request_id=ids[0])).name == kept
    assert (await counted(rota.url))["audit_events"] == 4
    assert (await sweeper(db, ManualClock(START + 401 * DAY)).delete_expired())["audits"] == 4


async def test_two_replicas_may_sweep_at_once(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    await with_runs(rota, clock, 4)
    later = ManualClock(FIRST + 365 * DAY)
    both = await asyncio.gather(*(sweeper(db, later).delete_expired() for _ in range(2)))
    assert sum(swept["runs"] for swept in both) == 4
    assert (await counted(rota.url))["run_events"] == 0


async def test_of_a_long_history_the_first_events_go_when_the_run_ends(
    rota: Running, clock: ManualClock
) -> None:
    rota.service.worker.writer.max_events = 2
    name = await with_runs(rota, clock, 1)
    [run] = await rota.runs(name)
    found = await refusal(watched(rota, run.name))
    assert (found.code, found.reason) == (Code.OUT_OF_RANGE, "STREAM_TRUNCATED")
    floor = int(found.metadata["floor"])
    events = await watched(rota, run.name, after=floor)
    assert [event.sequence for event in events] == [floor + 1, floor + 2]
    assert events[-1].HasField("ended")


async def test_the_service_sweeps_by_itself(url: str, keys: Keys, clock: ManualClock) -> None:
    await execute(url, "insert into scheduler_gaps values ('2020-01-01', '2020-01-02')")

    async def gone() -> bool:
        return not await execute(url, "select 1 from scheduler_gaps")

    async with running(url, keys, clock=clock, roles="ticker", retention_seconds=0.05):
        assert await until(gone)


async def test_inbox_items_go_by_when_they_were_read_and_by_their_number(
    rota: Running, clock: ManualClock, db: AsyncEngine
) -> None:
    await rota.create()  # so that ada is a member
    async with database.transaction(db) as connection:
        await add_items(connection, [item(n) for n in range(1, 8)])
    read = "update inbox_items set read_time = $1 where id = any($2::uuid[])"
    await execute(rota.url, read, START + DAY, [UUID(int=n) for n in (1, 2)])
    later = ManualClock(START + 32 * DAY)
    assert (await sweeper(db, later).delete_expired())["read_items"] == 2
    assert (await sweeper(db, later, max_items=3).delete_expired())["surplus_items"] == 2
    left = await execute(rota.url, "select id from inbox_items order by id")
    assert [UUID(str(row["id"])).int for row in left] == [5, 6, 7]
    swept = await sweeper(db, ManualClock(START + 91 * DAY)).delete_expired()
    assert (swept["unread_items"], swept["read_items"]) == (3, 0)
