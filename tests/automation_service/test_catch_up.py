"""After a time without a scheduler every slot has its row, and nothing comes in a burst."""

from datetime import timedelta
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.support.automation import START, Running, execute, news, running, schedule, until
from tests.support.tokens import Keys

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


async def test_of_the_slots_in_the_window_only_the_latest_is_caught_up(
    url: str, keys: Keys
) -> None:
    name = await created(url, keys, catchup_window_seconds=240)
    clock = ManualClock(FIRST + 6 * MINUTE)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        assert await outcomes(rota, name) == [*["MISSED"] * 4, "CAUGHT_UP", "FIRED", "FIRED"]
        reasons = [s.reason for s in reversed(await rota.slots(name))]
        assert reasons[1] == "It was found 0:05:00 late; the catch-up window is 0:04:00."
        assert reasons[2] == (
            "It was found 0:04:00 late; of the late slots only the latest is caught up, "
            "which is 2026-11-23T08:04:00Z."
        )
        assert reasons[4:] == ["It fired 0:02:00 late.", "", ""]
        assert len(await rota.ended(name, 3)) == 3


@pytest.mark.parametrize("concurrency", ["always", "queue", "drop_if_running"])
async def test_a_long_downtime_does_not_end_in_a_burst(
    url: str, keys: Keys, concurrency: str
) -> None:
    name = await created(url, keys, concurrency, catchup_window_seconds=7 * 24 * 3600)
    slots = 20 * 60
    # Half a minute after a slot, so that one slot is on time.
    clock = ManualClock(FIRST + slots * MINUTE - MINUTE / 2)
    async with running(url, keys, clock=clock) as rota:
        await caught_up_with(rota, name, clock)
        [counted] = await execute(
            url, "select count(*) as n, count(run_id) as ran from automation_slots"
        )
        assert counted["n"] == slots
        assert counted["ran"] == (1 if concurrency == "drop_if_running" else 2)
        assert await outcomes(rota, name, "outcome = CAUGHT_UP") == ["CAUGHT_UP"]
        last = (await outcomes(rota, name))[-2:]
        assert last[0] == "CAUGHT_UP"
        assert last[1] == ("SKIPPED_OVERLAP" if concurrency == "drop_if_running" else "FIRED")
        await rota.ended(name, counted["ran"])


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
        assert await outcomes(rota, name) == ["MISSED", "MISSED", "FIRED", "FIRED"]


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
