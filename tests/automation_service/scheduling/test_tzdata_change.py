"""The time zone database changes between two starts: nothing fires twice, nothing is lost."""

from datetime import datetime, timedelta
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.queue import PgQueuer
from automation_service.scheduling import scheduler
from automation_service.scheduling.dispatcher import LockedTriggers, recompute_fire_times
from automation_service.scheduling.scheduler import Scheduler
from shared.clock import ManualClock
from shared.schedule import zones
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

NINE = START + timedelta(seconds=30)  # in Paris, as its rules are
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NINE_AND_TEN = "0 9,10 * * *"


def moved(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """Paris has the rules of another zone from now on, in a newer database."""
    known = zones.load

    def load(name: str) -> ZoneInfo:
        if name != "Europe/Paris":
            return known(name)
        file = resources.files("tzdata").joinpath("zoneinfo", *to.split("/"))
        with file.open("rb") as source:
            return ZoneInfo.from_file(source, key=name)

    monkeypatch.setattr(zones, "load", load)
    monkeypatch.setattr(zones, "VERSION", "2999a")


async def created(
    url: str, keys: Keys, start: datetime, cron: str = "0 9 * * *", **form: Any
) -> str:
    async with running(url, keys, clock=ManualClock(start), roles="api") as rota:
        config = {"timezone": "Europe/Paris", **(form or {"cron": cron})}
        said = news(triggers=[{**schedule(), "config": config}])
        return str((await rota.create(said)).name)


async def next_fire(rota: Running, name: str) -> datetime:
    due: datetime = (
        (await rota.get(name)).triggers[0].next_fire_time.ToDatetime(tzinfo=START.tzinfo)
    )
    return due


async def computed(rota: Running, name: str, due: datetime) -> None:
    async def is_so() -> bool:
        return await next_fire(rota, name) == due

    await until(is_so)


async def told(rota: Running, name: str) -> list[tuple[str, str]]:
    """The ledger, oldest first: local time and outcome."""
    slots = reversed(await rota.slots(name))
    return [(s.local_time, pb.Slot.Outcome.Name(s.outcome)) for s in slots]


async def test_a_time_that_moved_later_on_its_day_does_not_fire_again(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await created(url, keys, START)
    async with running(url, keys, clock=ManualClock(NINE)) as rota:
        await rota.ended(name)
    moved(monkeypatch, "Europe/London")  # nine o'clock is an hour later
    clock = ManualClock(NINE + timedelta(minutes=1))
    async with running(url, keys, clock=clock) as rota:
        await computed(rota, name, NINE + HOUR + DAY)
        clock.set(NINE + 2 * HOUR)
        assert await told(rota, name) == [
            ("2026-11-23T09:00", "FIRED"),
            ("2026-11-23T09:00", "SKIPPED_DST"),
        ]
        [again, _] = await rota.slots(name)
        assert again.reason == (
            "The rules of its time zone changed: this local time was decided before them, "
            "up to the slot of 2026-11-23T08:00:00Z."
        )
        clock.set(NINE + HOUR + DAY)
        await rota.ended(name, 2)
        assert (await told(rota, name))[2:] == [("2026-11-24T09:00", "FIRED")]


async def test_a_moment_or_a_day_that_moved_does_not_fire_again(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily = {"every": {"unit": "days", "count": 1, "anchor": "2026-11-02T09:00"}}
    hourly = {"every": {"unit": "hours", "count": 24, "anchor": "2026-11-02T09:00"}}
    forms: list[dict[str, Any]] = [{"at": "2026-11-23T09:00"}, daily, hourly]
    names = [await created(url, keys, START, **form) for form in forms]
    async with running(url, keys, clock=ManualClock(NINE)) as rota:
        for name in names:
            await rota.ended(name)
    moved(monkeypatch, "Europe/London")
    # a day that elapses from an anchor, which is an hour later now
    due = NINE + HOUR
    async with running(url, keys, clock=ManualClock(NINE + timedelta(minutes=1))) as rota:
        await computed(rota, names[1], NINE + HOUR + DAY)
        await computed(rota, names[2], due)
        once, by_clock, elapsed = [await told(rota, name) for name in names]
        assert not (await rota.get(names[0])).triggers[0].HasField("next_fire_time")
    assert once == [("2026-11-23T09:00", "FIRED")]
    assert by_clock == [("2026-11-23T09:00", "FIRED"), ("2026-11-23T09:00", "SKIPPED_DST")]
    assert elapsed == [("2026-11-23T09:00", "FIRED")]


async def test_a_change_settles_what_is_due_by_the_new_rules(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await created(url, keys, START, NINE_AND_TEN)
    async with running(url, keys, clock=ManualClock(NINE)) as rota:
        await rota.ended(name)
    moved(monkeypatch, "Europe/London")  # what was to be ten o'clock is nine once more
    clock = ManualClock(NINE + HOUR + timedelta(seconds=30))
    async with running(url, keys, clock=clock, roles="api") as rota:
        await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=name))
        assert await told(rota, name) == [
            ("2026-11-23T09:00", "FIRED"),
            ("2026-11-23T09:00", "SKIPPED_DST"),
        ]
        assert await next_fire(rota, name) == NINE + 2 * HOUR


async def test_a_trigger_that_is_fired_alone_goes_by_the_new_rules(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await created(url, keys, START, NINE_AND_TEN)
    async with running(url, keys, clock=ManualClock(NINE)) as rota:
        await rota.ended(name)
    moved(monkeypatch, "Europe/London")
    failed: list[int] = []

    async def fails_at_first(
        connection: AsyncConnection, claimed: LockedTriggers, now: datetime
    ) -> None:
        if not failed:
            failed.append(len(claimed))
            raise ValueError
        await recompute_fire_times(connection, claimed, now)

    monkeypatch.setattr(scheduler, "recompute_fire_times", fails_at_first)
    now = NINE + HOUR + timedelta(seconds=30)
    async with running(url, keys, clock=ManualClock(now), roles="api") as rota:
        assert await rota.service.scheduler.fire_due(now) == 1
        assert failed == [1]
        assert await told(rota, name) == [
            ("2026-11-23T09:00", "FIRED"),
            ("2026-11-23T09:00", "SKIPPED_DST"),
        ]


async def test_a_time_that_moved_earlier_and_has_passed_is_accounted_for(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await created(url, keys, START - DAY - 2 * HOUR)
    moved(monkeypatch, "Europe/Athens")  # nine o'clock is an hour earlier, half an hour ago
    clock = ManualClock(NINE - HOUR / 2)
    async with running(url, keys, clock=clock) as rota:
        await computed(rota, name, NINE - HOUR + DAY)
        assert await told(rota, name) == [
            ("2026-11-22T09:00", "MISSED"),
            ("2026-11-23T09:00", "MISSED"),
        ]
        clock.set(NINE)  # when the old rules would have fired
        clock.set(NINE + timedelta(minutes=1))
        assert len(await told(rota, name)) == 2


async def test_a_schedule_of_elapsed_time_goes_on_wherever_the_clock_stands(
    url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await created(url, keys, START, "0 * * * *")
    async with running(url, keys, clock=ManualClock(NINE)) as rota:
        await rota.ended(name)
    moved(monkeypatch, "Europe/London")
    clock = ManualClock(NINE + timedelta(minutes=1))
    async with running(url, keys, clock=clock) as rota:
        clock.set(NINE + HOUR)
        await rota.ended(name, 2)
        assert await told(rota, name) == [
            ("2026-11-23T09:00", "FIRED"),
            ("2026-11-23T09:00", "FIRED"),
        ]


async def test_what_a_replica_of_an_older_database_writes_later_is_computed_again(
    url: str, keys: Keys
) -> None:
    name = await created(url, keys, START, "* * * * *")
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        clock.set(NINE)
        await computed(rota, name, NINE + timedelta(minutes=1))
        await execute(
            url,
            "update automation_triggers set tzdata_version = '2020a',"
            " next_fire_time = next_fire_time + interval '1 year'",
        )
        clock.set(NINE + HOUR + timedelta(seconds=30))
        await computed(rota, name, NINE + HOUR + timedelta(minutes=1))
        found = await execute(url, "select tzdata_version from automation_triggers")
        assert [row["tzdata_version"] for row in found] == [zones.VERSION]


async def test_every_trigger_is_computed_anew_in_batches(
    url: str, keys: Keys, db: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [await created(url, keys, START) for _ in range(3)]
    moved(monkeypatch, "Europe/London")
    scheduler = Scheduler(db=db, queue=PgQueuer(url=url), clock=ManualClock(START), batch_size=2)
    assert [await scheduler.refresh() for _ in range(3)] == [2, 1, 0]
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        for name in names:
            await computed(rota, name, NINE + HOUR)
