"""Slots that are skipped before they come."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.scenarios.automation.test_pause import FIRST, MINUTE, create_late, every_minute, pause
from tests.scenarios.automation.test_pause_until import HOUR, ledger, pause_until
from tests.support.calls.refusals import refusal
from tests.support.system.automation import START, Running, execute, message, news, schedule

Automation = pb.Automation


async def skip(rota: Running, name: str, **fields: Any) -> Any:
    return await rota.call("SkipNextSlot", pb.SkipNextSlotRequest(name=name, **fields))


async def unskip(rota: Running, name: str, slot: Any, trigger: str = "t") -> Any:
    request = pb.UnskipSlotRequest(
        name=name, trigger=f"{name}/triggers/{trigger}", slot_time=slot.slot_time
    )
    return await rota.call("UnskipSlot", request)


def times(slots: Any) -> list[str]:
    return [slot.local_time[-5:] for slot in slots]


def next_of(found: Any) -> str:
    shown: str = found.triggers[0].next_slot.local_time[-5:]
    return shown


async def test_a_skipped_slot_is_no_fire_and_the_ledger_says_who_and_why(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute("always", max_fires=2))).name
    await skip(still, name, note="nobody is in")
    found = await skip(still, name)
    [trigger] = found.triggers
    assert times(trigger.skipped_slots) == ["08:00", "08:01"]
    assert [slot.user for slot in trigger.skipped_slots] == ["users/ada"] * 2
    assert trigger.skipped_slots[0].note == "nobody is in"
    assert trigger.next_fire_time.ToDatetime(tzinfo=START.tzinfo) == FIRST + 2 * MINUTE
    assert next_of(found) == "08:02"
    listed = pb.ListAutomationsRequest(parent="workspaces/w")
    [shown] = (await still.call("ListAutomations", listed)).automations
    assert shown.triggers[0].next_fire_time == trigger.next_fire_time
    for number in range(5):
        api_clock.set(FIRST + number * MINUTE)
        await still.service.scheduler.fire_due(api_clock.now())
    assert await ledger(still, name, 4) == {
        "08:00": "SKIPPED_REQUESTED",
        "08:01": "SKIPPED_REQUESTED",
        "08:02": "FIRED",
        "08:03": "FIRED",
    }
    before = f'slot_time < "{_iso(FIRST + MINUTE)}"'
    [first] = await still.slots(name, f"outcome = SKIPPED_REQUESTED AND {before}")
    assert first.reason == "It was skipped by users/ada: nobody is in"
    assert len(await still.slots(name, "outcome != SKIPPED_REQUESTED")) == 2
    assert await still.slots(name, "outcome = SKIPPED_PAUSED") == []
    over = (await still.get(name)).triggers[0]
    assert (len(over.skipped_slots), over.HasField("next_slot")) == (0, False)


async def test_a_slot_is_skipped_only_if_it_is_the_one_that_was_shown(
    rota: Running, clock: ManualClock
) -> None:
    created = await rota.create(every_minute("always"))
    name, shown = created.name, created.triggers[0].next_slot.slot_time
    await skip(rota, name, slot_time=shown)
    found = await refusal(skip(rota, name, slot_time=shown))
    assert (found.reason, found.metadata["slot_time"]) == ("SLOT_MISMATCH", "2026-11-23T08:01:00Z")
    clock.set(FIRST + MINUTE)
    assert (await refusal(skip(rota, name, slot_time=shown))).reason == "SLOT_MISMATCH"


async def test_a_skip_is_taken_back_until_its_time_has_come(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create(every_minute("always"))).name
    await skip(rota, name)
    two = await skip(rota, name)
    first, second = two.triggers[0].skipped_slots
    back = await unskip(rota, name, first)
    assert times(back.triggers[0].skipped_slots) == ["08:01"]
    assert next_of(back) == "08:00"
    assert (await refusal(unskip(rota, name, first))).reason == "SLOT_NOT_SKIPPED"
    clock.set(FIRST + MINUTE)
    assert (await refusal(unskip(rota, name, second))).reason == "SLOT_NOT_SKIPPED"
    assert await ledger(rota, name, 2) == {"08:00": "FIRED", "08:01": "SKIPPED_REQUESTED"}


async def test_a_slot_in_its_jitter_can_neither_be_skipped_nor_taken_back(
    still: Running, api_clock: ManualClock
) -> None:
    made = await create_late(still, FIRST + MINUTE)
    name = made.name
    due = made.triggers[0].next_fire_time.ToDatetime(tzinfo=START.tzinfo)
    found = await skip(still, name)
    [skipped] = found.triggers[0].skipped_slots
    api_clock.set(FIRST + MINUTE)
    assert (await refusal(unskip(still, name, skipped))).reason == "SLOT_NOT_SKIPPED"
    again = await skip(still, name)
    assert times(again.triggers[0].skipped_slots) == ["08:00", "09:00"]
    await still.service.scheduler.fire_due(due)
    assert await ledger(still, name, 1) == {"08:00": "SKIPPED_REQUESTED"}
    # Now one that is not skipped is in its jitter.
    api_clock.set(FIRST + 2 * HOUR)
    await still.service.scheduler.fire_due(api_clock.now())
    shown = (await still.get(name)).triggers[0].next_slot
    assert shown.local_time.endswith("10:00")
    found = await refusal(skip(still, name, slot_time=shown.slot_time))
    assert found.reason == "SLOT_MISMATCH"
    assert found.metadata["slot_time"] == "2026-11-23T11:00:00Z"


async def test_of_late_slots_the_latest_that_is_not_skipped_runs(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute("always", catchup_window_seconds=3_600))).name
    for _ in range(3):
        found = await skip(still, name)
    await unskip(still, name, found.triggers[0].skipped_slots[1])
    api_clock.set(FIRST + 2 * MINUTE + MINUTE / 2)
    await still.service.scheduler.fire_due(api_clock.now())
    assert await ledger(still, name, 3) == {
        "08:00": "SKIPPED_REQUESTED",
        "08:01": "CAUGHT_UP",
        "08:02": "SKIPPED_REQUESTED",
    }


async def test_of_two_triggers_the_next_slot_is_skipped_or_that_of_the_one_that_is_named(
    rota: Running,
) -> None:
    triggers = [
        {**schedule("30 * * * *"), "trigger_id": "half"},
        {**schedule("0 * * * *"), "trigger_id": "full"},
    ]
    name = (await rota.create(news(triggers=triggers))).name
    found = await skip(rota, name)
    assert [times(t.skipped_slots) for t in found.triggers] == [[], ["08:00"]]
    found = await skip(rota, name)
    assert [times(t.skipped_slots) for t in found.triggers] == [["08:30"], ["08:00"]]
    found = await skip(rota, name, trigger=f"{name}/triggers/half")
    assert [times(t.skipped_slots) for t in found.triggers] == [["08:30", "09:30"], ["08:00"]]
    gone = await refusal(skip(rota, name, trigger=f"{name}/triggers/no"))
    assert gone.reason == "RESOURCE_NOT_FOUND"
    other = await refusal(skip(rota, name, trigger="workspaces/w/automations/b/triggers/half"))
    assert [v.field for v in other.violations] == ["trigger"]


async def test_a_changed_schedule_keeps_a_skip_and_notes_that_it_skips_nothing(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create(news(triggers=[schedule("0,30 * * * *")]))).name
    await skip(rota, name)
    await skip(rota, name)
    said = message(news(triggers=[schedule("0 * * * *")]))
    said.name = name
    edited = await rota.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
    assert times(edited.triggers[0].skipped_slots) == ["08:00", "08:30"]
    found = await rota.get(name)
    assert list(found.notes) == [
        "The skip of 2026-11-23T08:30 skips nothing: the schedule of the trigger t does not name "
        "it any more."
    ]
    back = await rota.call(
        "RollbackAutomation", pb.RollbackAutomationRequest(name=name, revision=1)
    )
    assert not (await rota.get(name)).notes
    assert next_of(back) == "09:00"


async def test_what_can_not_be_skipped_is_refused(rota: Running, clock: ManualClock) -> None:
    name = (await rota.create(every_minute(max_fires=1))).name
    await pause(rota, name)
    assert (await refusal(skip(rota, name))).reason == "STATE_CONFLICT"
    paused = await pause_until(rota, name, FIRST + 3 * MINUTE)
    found = await skip(rota, name)
    assert times(found.triggers[0].skipped_slots) == ["08:03"]
    assert found.resume_time == paused.resume_time
    archived = await rota.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name))
    assert not archived.triggers[0].skipped_slots
    assert (await refusal(skip(rota, name))).reason == "STATE_CONFLICT"
    over = (await rota.create(every_minute(max_fires=1))).name
    clock.set(FIRST)
    await ledger(rota, over, 1)
    assert (await refusal(skip(rota, over))).reason == "NO_SLOT_LEFT"
    off = (await rota.create(news(triggers=[{**schedule(), "enabled": False}]))).name
    assert (await refusal(skip(rota, off))).reason == "NO_SLOT_LEFT"


async def test_at_most_a_hundred_are_skipped_and_what_has_come_does_not_count(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute("always"))).name
    for _ in range(100):
        await skip(still, name)
    found = await refusal(skip(still, name))
    assert (found.reason, found.metadata["limit"]) == ("TOO_MANY_SKIPS", "100")
    api_clock.set(FIRST)
    await still.service.scheduler.fire_due(api_clock.now())
    assert len((await skip(still, name)).triggers[0].skipped_slots) == 100


async def test_a_skip_of_a_paused_automation_decides_what_came_in_the_pause(
    still: Running, api_clock: ManualClock
) -> None:
    said = news(triggers=[schedule("* * * * *", jitter_seconds=3_600)])
    name = (await still.create(said)).name
    await pause_until(still, name, FIRST + 2 * HOUR)
    api_clock.set(FIRST + MINUTE)
    await skip(still, name)
    assert await ledger(still, name, 2) == {"08:00": "SKIPPED_PAUSED", "08:01": "SKIPPED_PAUSED"}


async def test_a_repeat_skips_no_second_slot_and_a_skip_is_audited(rota: Running) -> None:
    created = await rota.create(every_minute())
    request_id = str(uuid4())
    first = await skip(rota, created.name, request_id=request_id, etag=created.etag)
    again = await skip(rota, created.name, request_id=request_id, etag=created.etag)
    assert times(again.triggers[0].skipped_slots) == ["08:00"]
    assert (again.etag, first.etag != created.etag) == (first.etag, True)
    assert (await refusal(skip(rota, created.name, etag=created.etag))).reason == "ETAG_MISMATCH"
    await unskip(rota, created.name, first.triggers[0].skipped_slots[0])
    rows = await execute(
        rota.url, "select actor, action from audit_events order by create_time, id"
    )
    assert [tuple(row) for row in rows][1:] == [("ada", "SkipNextSlot"), ("ada", "UnskipSlot")]


@pytest.mark.parametrize("on_gap", ["shift", "skip"])
async def test_the_next_slot_is_none_that_a_clock_change_skips(
    still: Running, api_clock: ManualClock, on_gap: str
) -> None:
    api_clock.set(datetime(2027, 3, 27, 12, tzinfo=START.tzinfo))
    said = news(triggers=[schedule("30 2 * * *", "Europe/Paris", on_gap=on_gap)])
    found = await skip(still, (await still.create(said)).name)
    [skipped] = found.triggers[0].skipped_slots
    assert skipped.local_time[:10] == ("2027-03-28" if on_gap == "shift" else "2027-03-29")
    assert skipped.fire_time != skipped.slot_time or on_gap == "skip"


async def test_what_is_asked_of_a_slot_to_come_says_that_it_is_skipped(
    rota: Running,
) -> None:
    name = (await rota.create(every_minute())).name
    await skip(rota, name, note="nobody is in")
    await pause_until(rota, name, FIRST + 2 * MINUTE)
    said = []
    for number in range(3):
        request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
        request.time.FromDatetime(FIRST + number * MINUTE)
        said.append((await rota.call("ExplainSlot", request)).explanation)
    assert said == [
        "It will be skipped. It was skipped by users/ada: nobody is in",
        "It will be skipped: the automation is paused until 2026-11-23T08:02:00Z.",
        "It has not come yet: the automation is paused until 2026-11-23T08:02:00Z.",
    ]


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
