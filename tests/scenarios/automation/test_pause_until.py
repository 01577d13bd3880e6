"""Pauses that end at a moment: the service resumes the automation as of then, once."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.contract.rows import reason_of
from tests.scenarios.automation.test_pause import (
    FIRST,
    MINUTE,
    busy,
    every_minute,
    first_ended,
    pause,
    resume,
    startable,
)
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import START, Running, execute, news, running, schedule, until

Run = pb.Run
Automation = pb.Automation
HOUR = timedelta(hours=1)


async def pause_until(rota: Running, name: str, moment: datetime, **fields: Any) -> Any:
    request = pb.PauseAutomationRequest(name=name, **fields)
    request.resume_time.FromDatetime(moment)
    return await rota.call("PauseAutomation", request)


async def state_of(rota: Running, name: str, wanted: int = Automation.ACTIVE) -> Any:
    async def there() -> Any:
        found = await rota.get(name)
        return found if found.state == wanted else None

    return await until(there)


async def ledger(rota: Running, name: str, count: int) -> dict[str, str]:
    """Outcomes by local time, once there are so many."""

    async def enough() -> list[Any] | None:
        found = await rota.slots(name)
        return found if len(found) >= count else None

    return {s.local_time[-5:]: pb.Slot.Outcome.Name(s.outcome) for s in await until(enough)}


async def test_it_is_resumed_at_its_moment_and_a_slot_of_that_moment_fires(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create(every_minute("always"))).name
    paused = await pause_until(rota, name, FIRST + 2 * MINUTE, note="a release")
    assert (paused.state, paused.pause_note) == (Automation.PAUSED, "a release")
    assert paused.resume_time.ToDatetime(tzinfo=START.tzinfo) == FIRST + 2 * MINUTE
    assert paused.triggers[0].next_fire_time == paused.resume_time
    assert (await rota.get(name)).resume_time == paused.resume_time
    clock.set(FIRST + 2 * MINUTE)
    resumed = await state_of(rota, name)
    assert (resumed.pause_note, resumed.HasField("resume_time")) == ("", False)
    assert await ledger(rota, name, 3) == {
        "08:00": "SKIPPED_PAUSED",
        "08:01": "SKIPPED_PAUSED",
        "08:02": "FIRED",
    }
    audits = await execute(rota.url, "select actor, action from audit_events order by create_time")
    assert [tuple(row) for row in audits][1:] == [
        ("ada", "PauseAutomation"),
        ("", "ResumeAutomation"),
    ]
    query = "select * from inbox_items where kind = 'automation_resumed'"
    [item] = await until(partial(execute, rota.url, query))
    assert (item["user_id"], item["automation"]) == ("ada", name)
    assert item["subject"] == "Morning news runs again"
    assert "23 November 2026 at 08:02:00" in item["body"]


async def test_a_resume_that_is_seen_late_counts_from_its_moment(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    async with running(url, keys, clock=clock, agent=agent) as rota:
        name = (await rota.create(every_minute("always", catchup_window_seconds=3_600))).name
        await pause_until(rota, name, FIRST + 2 * MINUTE)
    clock.set(FIRST + 5 * MINUTE)
    async with running(url, keys, clock=clock, agent=agent) as rota:
        await state_of(rota, name)
        assert await ledger(rota, name, 6) == {
            "08:00": "SKIPPED_PAUSED",
            "08:01": "SKIPPED_PAUSED",
            "08:02": "MISSED",
            "08:03": "MISSED",
            "08:04": "MISSED",
            "08:05": "FIRED",
        }


@pytest.mark.parametrize("door", ["pause", "rename", "skip"])
async def test_a_change_after_the_moment_finds_it_resumed_though_no_scheduler_ran(
    still: Running, api_clock: ManualClock, door: str
) -> None:
    name = (await still.create(every_minute("always", catchup_window_seconds=3_600))).name
    await pause_until(still, name, FIRST + MINUTE)
    api_clock.set(FIRST + 3 * MINUTE + MINUTE / 2)
    if door == "pause":
        await pause(still, name)
    elif door == "rename":
        said = Automation(name=name, description="Another one.")
        await still.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
    else:
        await still.call("SkipNextSlot", pb.SkipNextSlotRequest(name=name))
    wanted = Automation.PAUSED if door == "pause" else Automation.ACTIVE
    assert (await still.get(name)).state == wanted
    await still.service.scheduler.fire_due(api_clock.now())
    outcomes = await ledger(still, name, 4)
    assert outcomes == {
        "08:00": "SKIPPED_PAUSED",
        "08:01": "MISSED",
        "08:02": "MISSED",
        "08:03": "FIRED",
    }


async def test_a_resume_by_hand_after_the_moment_finds_it_active(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create()).name
    await pause_until(still, name, FIRST)
    api_clock.set(FIRST)
    assert (await refusal(resume(still, name))).reason == "STATE_CONFLICT"


async def test_what_waits_goes_on_at_the_moment_or_ends_by_its_age_then(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, gate = await busy(rota, clock, agent, catchup_window_seconds=600)
    moment = FIRST + 11 * MINUTE + timedelta(seconds=1)
    await pause_until(rota, name, moment)
    gate.opened.set()
    await first_ended(rota, name)
    assert await startable(rota) == ([], [])
    # Much later than the window of all: it is the moment that counts.
    clock.set(moment + HOUR)
    await state_of(rota, name)
    _, expired, *younger = (await rota.ended(name, 4))[:4]
    assert reason_of(expired.error) == "START_EXPIRED"
    assert [run.state for run in younger] == [Run.SUCCEEDED] * 2


async def test_two_replicas_resume_it_once(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    count = 8
    async with (
        running(url, keys, clock=clock, agent=agent, roles="api") as rota,
        running(url, keys, clock=clock, agent=agent, roles="api") as other,
    ):
        names = [(await rota.create(every_minute("always"))).name for _ in range(count)]
        for name in names:
            await pause_until(rota, name, FIRST + MINUTE)
        clock.set(FIRST + 2 * MINUTE)
        replicas = [rota.service.scheduler, other.service.scheduler]
        await asyncio.gather(*(one.resume_due(clock.now()) for one in replicas * 2))
        await asyncio.gather(*(one.fire_due(clock.now()) for one in replicas))
        for name in names:
            found = await rota.get(name)
            assert found.state == Automation.ACTIVE
            assert len(await rota.slots(name)) == 3
        versions = await execute(url, "select version from automations")
        assert {row["version"] for row in versions} == {3}
        told = await execute(
            url, "select resource, count(*) as n from audit_events where actor = '' group by 1"
        )
        assert {row["resource"]: row["n"] for row in told} == dict.fromkeys(names, 1)


async def test_a_pause_in_a_pause_replaces_its_note_and_moment_and_an_edit_keeps_them(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create()).name
    await pause_until(rota, name, START + HOUR, note="first")
    again = await pause_until(rota, name, START + 2 * HOUR, note="second")
    assert again.pause_note == "second"
    said = Automation(name=name, description="Another one.")
    edited = await rota.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
    assert (edited.pause_note, edited.resume_time) == ("second", again.resume_time)
    plain = await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=name))
    assert not plain.HasField("resume_time")
    clock.set(START + 3 * HOUR)
    await pause_until(rota, name, START + 4 * HOUR)
    assert not (
        await rota.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name))
    ).HasField("resume_time")
    await pause(rota, name)
    clock.set(START + 5 * HOUR)
    assert (await rota.get(name)).state == Automation.PAUSED
    await pause_until(rota, name, START + 6 * HOUR)
    archived = await rota.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name))
    assert not archived.HasField("resume_time")


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (START, "is past (it is 2026-11-23T07:59:30Z)"),
        (START - HOUR, "is past"),
        (START + timedelta(days=3_654), "is more than 3653 days from now"),
    ],
)
async def test_a_moment_that_is_past_or_too_far_is_refused(
    rota: Running, moment: datetime, said: str
) -> None:
    name = (await rota.create()).name
    found = await refusal(pause_until(rota, name, moment))
    assert [violation.field for violation in found.violations] == ["resume_time"]
    assert said in found.message
    assert (await rota.get(name)).state == Automation.ACTIVE


async def test_a_repeat_after_the_moment_is_answered(rota: Running, clock: ManualClock) -> None:
    name, request_id = (await rota.create()).name, str(uuid4())
    await pause_until(rota, name, START + HOUR, request_id=request_id)
    clock.set(START + 2 * HOUR)
    await state_of(rota, name)
    again = await pause_until(rota, name, START + HOUR, request_id=request_id)
    assert again.state == Automation.ACTIVE


async def test_a_pause_to_a_moment_after_which_nothing_fires_says_so(rota: Running) -> None:
    said = news(triggers=[schedule("0 9 * * *", end_time=(START + 48 * HOUR).isoformat())])
    name = (await rota.create(said)).name
    paused = await pause_until(rota, name, START + 49 * HOUR)
    assert not paused.triggers[0].HasField("next_fire_time")
    notes = (await rota.get(name)).notes
    assert list(notes) == ["It resumes at 2026-11-25 08:59 UTC, and nothing fires after that."]


async def test_what_an_older_replica_left_resumes_no_later_pause(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api") as rota:
        name = (await rota.create()).name
        await pause_until(rota, name, START + HOUR)
        # It resumes without knowing of the moment.
        await execute(url, "update automations set status = 'active', pause_note = ''")
        assert not (await rota.get(name)).HasField("resume_time")
    async with running(url, keys, clock=clock) as rota:

        async def cleared() -> bool:
            [row] = await execute(url, "select resume_time from automations")
            return row["resume_time"] is None

        await until(cleared)
        await execute(url, "update automations set status = 'paused'")
        clock.set(START + 2 * HOUR)
        await asyncio.sleep(0.2)
        assert (await rota.get(name)).state == Automation.PAUSED


async def test_one_that_can_not_be_resumed_stays_paused_and_says_so(
    still: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = [(await still.create()).name for _ in range(2)]
    await pause_until(still, broken, FIRST)
    await pause_until(still, sound, FIRST)
    [row] = await execute(
        still.url, "select id from automations where resource_id = $1", broken.rpartition("/")[2]
    )
    scheduler = still.service.scheduler
    plain = scheduler.on_resume

    async def fail(connection: Any, owner: Any, *more: Any) -> None:
        if owner.id == row["id"]:
            raise ValueError("odd")
        await plain(connection, owner, *more)

    monkeypatch.setattr(scheduler, "on_resume", fail)
    assert await scheduler.resume_due(FIRST) == 2
    assert await scheduler.resume_due(FIRST) == 0
    found = await still.get(broken)
    assert found.state == Automation.PAUSED
    assert found.pause_note == (
        "The service could not resume it at its resume_time; resume it yourself."
    )
    assert (await still.get(sound)).state == Automation.ACTIVE
