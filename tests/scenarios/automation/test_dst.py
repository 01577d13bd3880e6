"""What becomes of slots on the day the clocks change, in the ledger and in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.support.system.automation import Running, news, schedule

PARIS = "Europe/Paris"
SPRING = datetime(2027, 3, 28, tzinfo=UTC)  # at 1:00 UTC two o'clock becomes three
AUTUMN = datetime(2027, 10, 31, tzinfo=UTC)  # at 1:00 UTC three o'clock becomes two


async def fired_through(rota: Running, clock: ManualClock, hours: int) -> None:
    """Lets a day pass, looked at every quarter of an hour."""
    begun = clock.now()
    for quarter in range(1, hours * 4 + 1):
        moment = begun + quarter * timedelta(minutes=15)
        clock.set(moment)
        await rota.service.scheduler.fire_due(moment)


async def ledger(rota: Running, name: str) -> list[tuple[str, str, str, str]]:
    """Local time, outcome, when it fired, and why; oldest first."""
    return [
        (
            slot.local_time[11:],
            pb.Slot.Outcome.Name(slot.outcome),
            slot.fire_time.ToDatetime().strftime("%H:%M"),
            slot.reason,
        )
        for slot in reversed(await rota.slots(name))
    ]


async def told(rota: Running, name: str, moment: datetime) -> str:
    request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
    request.time.FromDatetime(moment)
    return str((await rota.call("ExplainSlot", request)).explanation)


def definition(cron: str, **config: Any) -> dict[str, Any]:
    return news(triggers=[schedule(cron, PARIS, **config)], execution={"concurrency": "always"})


async def test_a_slot_in_a_gap_is_skipped_when_the_schedule_says_so(
    still: Running, api_clock: ManualClock
) -> None:
    api_clock.set(SPRING)
    name = (await still.create(definition("30 2 * * *", on_gap="skip"))).name
    gap = SPRING + timedelta(hours=1, minutes=30)
    why = "02:30 does not exist on 2027-03-28: clocks go forward. on_gap is skip."
    assert await told(still, name, gap) == f"It will be skipped. {why}"
    await fired_through(still, api_clock, 3)
    assert await ledger(still, name) == [("02:30", "SKIPPED_DST", "01:00", why)]
    assert await told(still, name, gap) == f"It was skipped. {why}"
    assert await still.runs(name) == []
    trigger = (await still.get(name)).triggers[0]
    assert trigger.next_fire_time.ToDatetime() == datetime(2027, 3, 29, 0, 30)  # noqa: DTZ001
    assert not trigger.HasField("last_fire_time")


async def test_what_is_shown_next_is_a_slot_that_fires(
    still: Running, api_clock: ManualClock
) -> None:
    eve = SPRING - timedelta(hours=8)
    api_clock.set(eve)
    name = (await still.create(definition("30 2 * * *", on_gap="skip"))).name
    request = pb.GetTriggerRequest(name=f"{name}/triggers/t")
    listed = await still.call("ListAutomations", pb.ListAutomationsRequest(parent="workspaces/w"))
    shown = [
        (await still.get(name)).triggers[0],
        await still.call("GetTrigger", request),
        listed.automations[0].triggers[0],
    ]
    times = {trigger.next_fire_time.ToDatetime() for trigger in shown}
    assert times == {datetime(2027, 3, 29, 0, 30)}  # noqa: DTZ001
    assert shown[0].next_slot.fire_time == shown[1].next_fire_time
    # The ledger has the one that is skipped all the same.
    await fired_through(still, api_clock, 12)
    assert [outcome for _, outcome, *_ in await ledger(still, name)] == ["SKIPPED_DST"]


async def test_a_slot_of_what_is_off_or_archived_would_be_skipped(
    still: Running, api_clock: ManualClock
) -> None:
    api_clock.set(SPRING)
    said = definition("30 2 * * *", on_gap="skip")
    said["definition"]["triggers"][0]["enabled"] = False
    name = (await still.create(said)).name
    assert (await told(still, name, SPRING + timedelta(hours=1, minutes=30))).startswith(
        "It does not come while the trigger is disabled. It would be skipped. 02:30 does not"
    )
    await still.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name))
    assert (await told(still, name, SPRING + timedelta(hours=1, minutes=30))).startswith(
        "It does not come: the automation is archived. It would be skipped. 02:30 does not"
    )


async def test_of_slots_that_a_gap_moves_to_one_instant_one_runs(
    still: Running, api_clock: ManualClock
) -> None:
    api_clock.set(SPRING)
    name = (await still.create(definition("0,15,30 1,2,3 * * *"))).name
    await fired_through(still, api_clock, 3)
    moved = "does not exist on 2027-03-28: clocks go forward. It moves to 03:00."
    winner = "The slot of 2027-03-28T03:00:00 runs at that time."
    found = {local: rest for local, *rest in await ledger(still, name)}
    assert {local: outcome for local, (outcome, *_) in found.items()} == {
        **dict.fromkeys(("01:15", "01:30", "03:00", "03:15", "03:30"), "FIRED"),
        **dict.fromkeys(("02:00", "02:15", "02:30"), "SKIPPED_DST"),
    }
    for local in ("02:00", "02:15", "02:30"):
        assert found[local] == ["SKIPPED_DST", "01:00", f"{local} {moved} {winner}"]
    assert len(await still.runs(name)) == 5
    # At an instant that two slots share, the one that ran is told of.
    assert await told(still, name, SPRING + timedelta(hours=1)) == "It fired on time."


async def test_slots_moved_to_an_instant_that_no_slot_owns_name_the_one_that_runs(
    still: Running, api_clock: ManualClock
) -> None:
    api_clock.set(SPRING)
    name = (await still.create(definition("10,50 2 * * *"))).name
    await fired_through(still, api_clock, 3)
    moved = "does not exist on 2027-03-28: clocks go forward. It moves to 03:00."
    why = f"02:50 {moved} The slot of 2027-03-28T02:10:00 runs at that time."
    assert await ledger(still, name) == [
        ("02:10", "FIRED", "01:00", ""),
        ("02:50", "SKIPPED_DST", "01:00", why),
    ]
    first, second = (SPRING + timedelta(hours=1, minutes=m) for m in (10, 50))
    assert await told(still, name, first) == "It fired on time."
    assert await told(still, name, second) == f"It was skipped. {why}"
    assert await told(still, name, SPRING + timedelta(hours=1)) == "It fired on time."
    [run] = await still.runs(name)
    assert (await still.slots(name, "outcome = FIRED"))[0].run == run.name


async def test_a_time_that_comes_twice_runs_twice_when_the_schedule_says_so(
    still: Running, api_clock: ManualClock
) -> None:
    api_clock.set(AUTUMN)
    once, twice = [
        (await still.create(definition("30 2 * * *", on_fold=fold))).name
        for fold in ("last", "both")
    ]
    await fired_through(still, api_clock, 3)
    assert [fire for *_, fire, _ in await ledger(still, once)] == ["01:30"]
    assert [fire for *_, fire, _ in await ledger(still, twice)] == ["00:30", "01:30"]
