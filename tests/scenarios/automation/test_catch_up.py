"""After a time without a scheduler every slot has its row, and nothing comes in a burst."""

from datetime import timedelta
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from automation_service.scheduling import dispatcher, due_slots
from shared.clock import ManualClock
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)


async def created(url: str, keys: Keys, concurrency: str = "always", **config: Any) -> str:
    """An automation of every minute that no scheduler has looked at."""
    said = news(triggers=[schedule("* * * * *", **config)], execution={"concurrency": concurrency})
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        return str((await rota.create(said)).name)


async def outcomes(rota: Running, name: str, filter_: str = "") -> list[str]:
    return [pb.Slot.Outcome.Name(s.outcome) for s in reversed(await rota.slots(name, filter_))]


async def caught_up_with(rota: Running, name: str, clock: ManualClock) -> None:
    async def nothing_is_due() -> bool:
        due = (await rota.get(name)).triggers[0].next_fire_time
        return bool(due.ToDatetime(tzinfo=START.tzinfo) > clock.now())

    await until(nothing_is_due)


async def test_of_the_slots_that_are_due_only_the_latest_runs(url: str, keys: Keys) -> None:
    name = await created(url, keys, catchup_window_seconds=240)
    clock = ManualClock(FIRST + 6 * MINUTE)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        assert await outcomes(rota, name) == [*["MISSED"] * 6, "FIRED"]
        reasons = [s.reason for s in reversed(await rota.slots(name))]
        assert reasons[1] == "It was found 0:05:00 late; the catch-up window is 0:04:00."
        assert reasons[2] == (
            "It was found 0:04:00 late; of the slots that were due only the latest runs, "
            "which is 2026-11-23T08:06:00Z."
        )
        assert reasons[6] == ""
        assert len(await rota.ended(name)) == 1


async def test_the_latest_slot_is_caught_up_when_it_is_late_itself(url: str, keys: Keys) -> None:
    said = news(triggers=[schedule("*/5 * * * *", catchup_window_seconds=3600)])
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        name = (await rota.create(said)).name
    clock = ManualClock(FIRST + 12 * MINUTE)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        assert await outcomes(rota, name) == ["MISSED", "MISSED", "CAUGHT_UP"]
        assert (await rota.slots(name))[0].reason == "It fired 0:02:00 late."


@pytest.mark.parametrize("concurrency", ["always", "queue", "drop_if_running"])
async def test_a_long_downtime_does_not_end_in_a_burst(
    url: str, keys: Keys, concurrency: str
) -> None:
    name = await created(url, keys, concurrency, catchup_window_seconds=7 * 24 * 3600)
    slots = 20 * 60
    # Half a minute after a slot, which is on time then.
    clock = ManualClock(FIRST + slots * MINUTE - MINUTE / 2)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        [counted] = await execute(
            url, "select count(*) as n, count(run_id) as ran from automation_slots"
        )
        assert (counted["n"], counted["ran"]) == (slots, 1)
        assert (await outcomes(rota, name))[-2:] == ["MISSED", "FIRED"]
        await rota.ended(name)


async def test_the_reason_says_from_when_to_when_no_scheduler_ran(url: str, keys: Keys) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock) as rota:
        said = news(triggers=[schedule("*/10 * * * *", catchup_window_seconds=600)])
        name = (await rota.create(said)).name
        clock.set(FIRST)
        await rota.ended(name)
    clock.set(FIRST + 25 * MINUTE)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        late, missed, _ = await rota.slots(name)
        gap = "No scheduler ran from 2026-11-23T08:00:00Z to 2026-11-23T08:25:00Z."
        assert missed.reason == (
            f"It was found 0:15:00 late; the catch-up window is 0:10:00. {gap}"
        )
        assert late.reason == f"It fired 0:05:00 late. {gap}"
        request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t", time=missed.slot_time)
        explained = await rota.call("ExplainSlot", request)
        assert explained.explanation == f"It was missed. {missed.reason}"


async def test_a_window_of_zero_catches_nothing_up(url: str, keys: Keys) -> None:
    name = await created(url, keys, catchup_window_seconds=0)
    clock = ManualClock(FIRST + 3 * MINUTE)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        assert await outcomes(rota, name) == [*["MISSED"] * 3, "FIRED"]


async def test_a_late_slot_that_a_gap_shifted_away_is_not_the_one_that_is_caught_up(
    url: str, keys: Keys
) -> None:
    start = START.replace(year=2027, month=3, day=28, hour=0, minute=0, second=0)
    said = news(triggers=[schedule("30 1,2,3 * * *", "Europe/Paris", catchup_window_seconds=86400)])
    async with running(url, keys, clock=ManualClock(start), roles="api") as rota:
        name = (await rota.create(said)).name
    clock = ManualClock(start + timedelta(hours=5))
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        found = [
            (s.local_time, pb.Slot.Outcome.Name(s.outcome))
            for s in reversed(await rota.slots(name))
        ]
        ran = [local for local, outcome in found if outcome == "CAUGHT_UP"]
        # Not 02:30, which was shifted to three o'clock and lists later.
        assert ran == ["2027-03-28T03:30"]


async def test_a_dropped_slot_names_the_run_that_was_still_going_on(url: str, keys: Keys) -> None:
    name = await created(url, keys, "drop_if_running")
    clock = ManualClock(FIRST)
    async with running(url, keys, clock=clock, roles="api,ticker") as rota:
        [run] = await until(lambda: rota.runs(name))
        clock.set(FIRST + MINUTE)
        await caught_up_with(rota, name, clock)
        dropped = (await rota.slots(name))[0]
        run_id = run.name.rpartition("/")[2]
        assert dropped.reason == (
            f"Run {run_id} was still going on; concurrency is drop_if_running."
        )


async def test_weeks_of_downtime_are_worked_off_in_small_steps_and_end_in_one_run(
    url: str, keys: Keys
) -> None:
    weeks = {"catchup_window_seconds": 7 * 24 * 3600}
    name = await created(url, keys, "always", **weeks)
    other = await created(url, keys, "always", **weeks)
    away, kept = timedelta(days=21), timedelta(days=3)
    clock = ManualClock(FIRST + away)
    days = {"roles": "api", "slot_retention_days": kept.days}
    async with running(url, keys, clock=clock, **days) as rota:
        before, steps = 0, 0
        while await rota.service.scheduler.fire_due(clock.now()):
            [row] = await execute(url, "select count(*) as n from automation_slots")
            assert 0 < row["n"] - before <= dispatcher.MAX_SLOTS + due_slots.MAX_SLOTS
            before, steps = row["n"], steps + 1
            assert steps < 100
        minutes = int(kept / MINUTE)
        # Both ends: of what is kept, the first minute and the one that is due now.
        assert before in (2 * minutes, 2 * (minutes + 1))
        assert steps >= before / (dispatcher.MAX_SLOTS + due_slots.MAX_SLOTS)
        for automation in (name, other):
            following = (await rota.get(automation)).triggers[0].next_fire_time
            assert following.ToDatetime(tzinfo=START.tzinfo) == clock.now() + MINUTE
            assert [run.slot_time.seconds for run in await rota.runs(automation)] == [
                int(clock.now().timestamp())
            ]
        tokens = await execute(url, "select count(*) as n from pgqueuer.pgqueuer")
        assert [row["n"] for row in tokens] == [2]
