"""Backfills: which slots can be run afterwards, how their runs go, and what they leave alone."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import run_endings, run_maintenance
from automation_service.persistence.tables import TENANTS
from automation_service.queue import PgQueuer
from automation_service.scheduling.backfill import BackfillCall, Backfills
from shared import errors
from shared.clock import ManualClock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.registries.actions.types import AgentResult, AgentTask
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.rpc.messages.timestamps import to_timestamp
from shared.security.caller import Caller, CallerScope
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.database.fuse import fuse
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import (
    START,
    Running,
    execute,
    message,
    new_request_id,
    news,
    running,
    schedule,
    until,
)

MINUTE = timedelta(minutes=1)
FIRST = START + timedelta(seconds=30)
Run, Slot, Request = pb.Run, pb.Slot, pb.BackfillSlotsRequest


def every_minute(concurrency: str = "drop_if_running", **config: Any) -> dict[str, Any]:
    execution = {"concurrency": concurrency, "max_retries": 0}
    return news(triggers=[schedule("* * * * *", **config)], execution=execution)


async def missed(
    rota: Running, clock: ManualClock, count: int, said: dict[str, Any] | None = None
) -> tuple[str, list[Any]]:
    """An automation with slots that were missed, oldest first, before one that ran."""
    name = (await rota.create(said or every_minute())).name
    clock.set(FIRST + count * MINUTE)

    async def decided() -> list[Any]:
        await rota.service.scheduler.fire_due(clock.now())
        return await rota.slots(name)

    slots = (await until(decided))[::-1]
    assert [slot.outcome for slot in slots[:-1]] == [Slot.MISSED] * count
    return name, slots[:-1]


async def backfill(rota: Running, name: str, slots: list[Any] | None = None, **more: Any) -> Any:
    names = [slot if isinstance(slot, str) else slot.name for slot in slots or []]
    return await rota.call("BackfillSlots", Request(parent=name, slots=names, **more))


async def in_range(rota: Running, name: str, start: datetime, end: datetime, **more: Any) -> Any:
    times: dict[str, Any] = {"start_time": to_timestamp(start), "end_time": to_timestamp(end)}
    return await rota.call("BackfillSlots", Request(parent=name, **times, **more))


async def backfills(rota: Running, name: str) -> list[Any]:
    """The runs of backfills in the order of their slots."""
    listed = await rota.call("ListRuns", pb.ListRunsRequest(parent=name, page_size=200))
    found = [run for run in listed.runs if run.backfill]
    return sorted(found, key=lambda run: run.slot_time.seconds)


async def states(rota: Running, name: str) -> list[str]:
    return [Run.State.Name(run.state) for run in await backfills(rota, name)]


async def fire(rota: Running, clock: ManualClock, moment: datetime) -> None:
    """What is due by `moment` is decided when this ends, by this call or by the ticker."""
    clock.set(moment)
    due = "select 1 from automation_triggers where enabled and next_fire_time <= $1"

    async def decided() -> bool:
        await rota.service.scheduler.fire_due(moment)
        return not await execute(rota.url, due, moment)

    await until(decided)


async def startable(rota: Running) -> tuple[set[UUID], set[UUID]]:
    """The pending runs that the reconciler and the end of a run would start."""
    async with rota.service.db.connect() as connection:
        owners = [row["id"] for row in await execute(rota.url, "select id from automations")]
        runnable = await run_maintenance.find_runnable(connection)
        return set(runnable), set(await run_endings.find_next_runs(connection, owners))


def id_of(name: str) -> UUID:
    return UUID(name.rpartition("/")[2])


async def test_the_slots_of_a_deleted_trigger_are_still_found(
    rota: Running, clock: ManualClock
) -> None:
    name, slots = await missed(rota, clock, 1)
    await rota.call("DeleteTrigger", pb.DeleteTriggerRequest(name=slots[0].trigger))
    trigger_id = slots[0].trigger.rpartition("/")[2]
    assert slots[0] in await rota.slots(name, f"trigger = {trigger_id}")
    found = await refusal(rota.slots(name, f"trigger = {trigger_id} OR trigger = nosuch"))
    assert "'nosuch' is no trigger of this automation; triggers: none" in found.message


async def test_a_slot_is_run_with_its_own_time_under_the_present_revision(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, slots = await missed(rota, clock, 2)
    [fired] = await rota.ended(name)
    said = message(every_minute())
    said.name = name
    said.definition.triggers[0].static_inputs["topic"] = "planes"
    await rota.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
    before = await rota.get(name)
    clock.set(clock.now() + timedelta(seconds=5))
    answered = await backfill(rota, name, [slots[1]])
    made = answered.slots[0].backfill
    assert made.requester == "users/ada"
    assert made.create_time.ToDatetime(tzinfo=START.tzinfo) == clock.now()
    await rota.ended(name, 2)
    run = await rota.run(made.run)
    assert (run.state, run.backfill, run.revision) == (Run.SUCCEEDED, True, 2)
    assert (run.slot_time, run.trigger) == (slots[1].slot_time, slots[1].trigger)
    payload = json_format.MessageToDict(run.trigger_payload)
    assert payload == {
        "fired_at": "2026-11-23T08:02:05Z",
        "scheduled_for": "2026-11-23T08:01:00Z",
        "last_fired_at": None,
    }
    assert json_format.MessageToDict(run.inputs) == {**payload, "topic": "planes", "count": 3}
    assert agent.begun[-1].prompt == "Summarise 3 news about planes."
    assert not (await rota.run(fired.name)).backfill
    [slot] = [one for one in await rota.slots(name) if one.name == slots[1].name]
    assert (slot.outcome, slot.run, slot.reason) == (Slot.MISSED, "", slots[1].reason)
    assert (slot.backfill.run, slot.backfill.run_state) == (made.run, Run.SUCCEEDED)
    explained = await rota.call(
        "ExplainSlot", pb.ExplainSlotRequest(trigger=slot.trigger, time=slot.slot_time)
    )
    assert explained.explanation == (
        f"It was missed. {slot.reason} ada had it run afterwards, on 23 November 2026 at 08:02:05, "
        "UTC: that run succeeded."
    )
    after = await rota.get(name)
    assert after == before
    [audited] = await execute(
        rota.url, "select actor, resource from audit_events where action = 'BackfillSlots'"
    )
    assert tuple(audited) == ("ada", name)


async def test_last_fired_at_is_when_the_last_slot_before_it_fired_that_the_ledger_has(
    still: Running, api_clock: ManualClock
) -> None:
    name = (await still.create(every_minute("always"))).name
    await fire(still, api_clock, FIRST)
    await fire(still, api_clock, FIRST + 4 * MINUTE)  # of the four the last one fires
    await fire(still, api_clock, FIRST + 6 * MINUTE)
    slots = {s.slot_time.ToDatetime(tzinfo=START.tzinfo): s for s in await still.slots(name)}
    asked = [slots[FIRST + n * MINUTE] for n in (5, 1, 3)]
    await backfill(still, name, asked)
    found = [run.trigger_payload["last_fired_at"] for run in await backfills(still, name)]
    assert found == ["2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z", "2026-11-23T08:04:00Z"]


async def test_a_named_slot_that_can_not_be_run_is_refused_with_its_place_and_none_is_run(
    still: Running, api_clock: ManualClock
) -> None:
    said = every_minute()
    twice = {**schedule("30 2 * * *", "Europe/Paris", on_gap="skip"), "trigger_id": "u"}
    said["definition"]["triggers"].append(twice)
    name, slots = await missed(still, api_clock, 2, said)
    fired = (await still.slots(name))[0]
    await backfill(still, name, [slots[0]])
    await execute(
        still.url,
        "insert into automation_slots select gen_random_uuid(), automation_id, trigger, trigger_id,"
        " slot_time - interval '1 day', fire_time, local_time, 'skipped_dst', 'No such time.',"
        " null, decide_time from automation_slots where outcome = 'fired'",
    )
    await execute(
        still.url,
        "insert into automation_slots select gen_random_uuid(), automation_id, gen_random_uuid(),"
        " 'gone', slot_time, fire_time, local_time, 'missed', '', null, decide_time"
        " from automation_slots where outcome = 'fired'",
    )
    skipped, gone = [
        (await still.slots(name, f))[0]
        for f in ("outcome = SKIPPED_DST", f'trigger = "{name}/triggers/gone"')
    ]
    asked = [slots[1], fired, skipped, gone, slots[0], slots[1]]
    refused = await refusal(backfill(still, name, asked))
    assert (refused.code, refused.reason) == (errors.Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    found = [(fault.field, fault.reason, fault.description) for fault in refused.violations]
    assert found == [
        ("slots[1]", "HAS_RUN", "is FIRED: it has run"),
        ("slots[2]", "SKIPPED_DST", "is SKIPPED_DST: No such time."),
        ("slots[3]", "TRIGGER_GONE", "its trigger was deleted"),
        ("slots[4]", "BACKFILLED", "has a backfill already, which is PENDING"),
        ("slots[5]", "DUPLICATE_ID", "is named twice"),
    ]
    assert len(await backfills(still, name)) == 1
    counted = await in_range(still, name, START - timedelta(days=2), START + timedelta(days=1))
    assert [slot.name for slot in counted.slots] == [slots[1].name]
    causes = pb.BackfillSlotsResponse.LeftOut.Cause
    assert {causes.Name(one.cause): one.count for one in counted.left_out} == {
        "HAS_RUN": 1,
        "SKIPPED_DST": 1,
        "TRIGGER_GONE": 1,
        "BACKFILLED": 1,
    }


async def test_a_slot_of_elsewhere_or_of_long_ago_is_none_of_it(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 1)
    other = (await still.create(every_minute())).name
    foreign = await refusal(backfill(still, other, slots))
    assert [(v.field, v.reason) for v in foreign.violations] == [("slots[0]", "INVALID")]
    await execute(still.url, "delete from automation_slots where outcome = 'missed'")
    for gone in (slots[0].name, f"{name}/slots/x"):
        missing = await refusal(backfill(still, name, [gone]))
        assert (missing.reason, missing.metadata["resource"]) == ("RESOURCE_NOT_FOUND", gone)
    assert await backfills(still, name) == []


@pytest.mark.parametrize(
    ("fields", "place", "reason"),
    [
        ({}, "slots", "REQUIRED"),
        ({"start_time": START}, "end_time", "REQUIRED"),
        ({"end_time": START}, "start_time", "REQUIRED"),
        ({"start_time": START, "end_time": START}, "end_time", "INVALID"),
        ({"trigger": "{name}/triggers/t"}, "start_time", "REQUIRED"),
        ({"slots": ["{name}/slots/s"], "end_time": START}, "end_time", "INVALID"),
        ({"slots": ["{name}/slots/s"], "trigger": "{name}/triggers/t"}, "trigger", "INVALID"),
        ({"slots": ["{name}/slots/s"] * 101}, "slots", "INVALID"),
        ({"slots": ["{name}/runs/s"]}, "slots[0]", "INVALID"),
        ({"slots": ["{name}/slots/s"], "overlap": 9}, "overlap", "INVALID"),
        ({"slots": ["{name}/slots/s"], "overlap": 2}, "overlap", "INVALID"),
        (
            {"start_time": START, "end_time": FIRST, "trigger": "{name}s/triggers/t"},
            "trigger",
            "INVALID",
        ),
    ],
)
async def test_a_call_says_either_which_slots_or_which_range(
    still: Running, fields: dict[str, Any], place: str, reason: str
) -> None:
    name = (await still.create(every_minute())).name
    given = {key: _filled(value, name) for key, value in fields.items()}
    refused = await refusal(still.call("BackfillSlots", Request(parent=name, **given)))
    assert [(v.field, v.reason) for v in refused.violations] == [(place, reason)]


def _filled(value: Any, name: str) -> Any:
    match value:
        case str():
            return value.replace("{name}", name)
        case list():
            return [_filled(one, name) for one in value]
        case datetime():
            return to_timestamp(value)
    return value


async def test_a_range_of_too_many_is_refused_with_where_the_first_ones_end(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 105)
    start, end = START, START + timedelta(days=1)
    refused = await refusal(in_range(still, name, start, end))
    [fault] = refused.violations
    assert (fault.field, fault.reason) == ("end_time", "TOO_MANY")
    assert fault.description == (
        "105 slots of the range can be run, and at most 100 are run in a call; the first 100 are "
        "those before 2026-11-23T09:40:00Z"
    )
    fits = datetime.fromisoformat(fault.description.rpartition(" ")[2])
    tried = await in_range(still, name, start, fits, validate_only=True)
    assert len(tried.slots) == 100
    assert not any(slot.HasField("backfill") for slot in tried.slots)
    assert await backfills(still, name) == []
    made = await in_range(still, name, start, fits)
    assert [slot.name for slot in made.slots] == [slot.name for slot in slots[:100]]
    full = await refusal(backfill(still, name, slots[100:]))
    assert [(v.field, v.reason) for v in full.violations] == [("slots", "TOO_MANY_WAITING")]
    assert "of these 5 slots 0 can be run now" in full.message
    assert len(await execute(still.url, "select from automation_runs where backfill")) == 100


async def test_one_trigger_of_a_range(still: Running, api_clock: ManualClock) -> None:
    said = every_minute()
    said["definition"]["triggers"].append({**schedule("* * * * *"), "trigger_id": "u"})
    name = (await still.create(said)).name
    await fire(still, api_clock, FIRST + 5 * MINUTE)
    found = await in_range(
        still, name, START, FIRST + 2 * MINUTE, trigger=f"{name}/triggers/u", validate_only=True
    )
    assert [slot.trigger for slot in found.slots] == [f"{name}/triggers/u"] * 2
    gone = await refusal(in_range(still, name, START, FIRST + MINUTE, trigger=f"{name}/triggers/v"))
    assert gone.reason == "RESOURCE_NOT_FOUND"


async def test_inputs_that_the_present_revision_does_not_take_are_refused_or_left_out(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 2)
    # An operator's change: a save would have refused it.
    await execute(
        still.url,
        "update automations set definition ="
        " jsonb_set(definition, '{inputs,schema,required}', '[\"topic\", \"colour\"]')",
    )
    refused = await refusal(backfill(still, name, slots))
    assert [(v.field, v.reason) for v in refused.violations] == [
        ("slots[0]", "INVALID_INPUTS"),
        ("slots[1]", "INVALID_INPUTS"),
    ]
    found = await in_range(still, name, START, FIRST + 2 * MINUTE)
    assert not found.slots
    assert [(one.cause, one.count) for one in found.left_out] == [
        (pb.BackfillSlotsResponse.LeftOut.INVALID_INPUTS, 2)
    ]


async def test_an_automation_that_is_not_active_has_no_backfills(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 1)
    stale = await refusal(backfill(still, name, slots, etag="stale"))
    assert stale.reason == "ETAG_MISMATCH"
    for rpc, request, state in (
        ("PauseAutomation", pb.PauseAutomationRequest(name=name), "PAUSED"),
        ("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name), "ARCHIVED"),
    ):
        await still.call(rpc, request)
        for only in (True, False):
            refused = await refusal(backfill(still, name, slots, validate_only=only))
            assert (refused.reason, refused.metadata["state"]) == ("STATE_CONFLICT", state)


async def test_a_request_id_makes_the_runs_once_and_a_repeat_answers_with_them(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 3)
    given = {"request_id": new_request_id()}
    asked = slots[:2]
    answers = await asyncio.gather(*(backfill(still, name, asked, **given) for _ in range(4)))
    answers.append(await backfill(still, name, asked, **given))
    assert all(one == answers[0] for one in answers)
    assert [slot.name for slot in answers[0].slots] == [slot.name for slot in asked]
    assert len(await backfills(still, name)) == 2
    reused = await refusal(backfill(still, name, slots[2:], **given))
    assert reused.reason == "REQUEST_ID_REUSED"


async def test_of_two_callers_at_once_and_two_replicas_one_makes_the_run(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 4)
    async with running(still.url, still.keys, clock=api_clock, roles="api") as other:
        calls = [backfill(one, name, slots) for one in (still, other) for _ in range(4)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    runs = await backfills(still, name)
    assert [run.slot_time for run in runs] == [slot.slot_time for slot in slots]


async def test_a_slot_is_backfilled_again_only_when_its_backfill_ended_badly(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, slots = await missed(rota, clock, 1)
    await rota.ended(name)

    async def fail(request: AgentTask) -> AgentResult:
        raise errors.InvalidRequest([errors.FieldViolation(field="x", description="broke")])

    agent.act = fail
    first = (await backfill(rota, name, slots)).slots[0].backfill
    await rota.ended(name, 2)
    agent.act = None
    second = (await backfill(rota, name, slots)).slots[0].backfill
    await rota.ended(name, 3)
    [slot] = [one for one in await rota.slots(name) if one.name == slots[0].name]
    assert slot.backfill.run == second.run != first.run
    assert (await states(rota, name)) == ["SUCCEEDED", "FAILED"]
    again = await refusal(backfill(rota, name, slots))
    assert again.violations[0].description == "has a backfill already, which is SUCCEEDED"
    await execute(rota.url, "delete from automation_runs where backfill")
    gone = await refusal(backfill(rota, name, slots))
    assert gone.violations[0].description == "has a backfill already, which is no longer kept"
    [slot] = [one for one in await rota.slots(name) if one.name == slots[0].name]
    assert (slot.backfill.run, slot.backfill.run_state) == ("", Run.STATE_UNSPECIFIED)
    assert slot.backfill.requester == "users/ada"


async def test_the_database_knows_that_a_slot_is_backfilled_once(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 1)
    await backfill(still, name, slots)
    copied = (
        "insert into automation_runs (id, workspace_id, automation_id, trigger, trigger_id,"
        " slot_time, status, exclusive, backfill, definition_snapshot, revision, create_time)"
        " select gen_random_uuid(), workspace_id, automation_id, trigger, trigger_id, slot_time,"
        " 'pending', exclusive, backfill, '{}', 1, now() from automation_runs where"
    )
    for which in ("backfill", "not backfill"):
        with pytest.raises(Exception, match=r"uq_automation_runs_(backfilled|fired)"):
            await execute(still.url, f"{copied} {which}")


async def test_backfills_go_one_after_another_in_the_order_of_their_slots(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, slots = await missed(rota, clock, 4)
    await rota.ended(name)
    going: list[str] = []

    async def watch(request: AgentTask) -> AgentResult:
        run = request.request_id.partition(":")[0]
        assert not going
        going.append(run)
        await asyncio.sleep(0.02)
        going.remove(run)
        return await FakeAgent()._work(request)

    agent.act = watch
    await backfill(rota, name, [slots[2], slots[0], slots[3], slots[1]])
    assert [run.state for run in await rota.ended(name, 5)] == [Run.SUCCEEDED] * 5
    begun = [task.request_id.partition(":")[0] for task in agent.begun[1:]]
    assert begun == [str(id_of(run.name)) for run in await backfills(rota, name)]


async def test_no_scheduled_slot_is_skipped_or_overtaken_because_of_a_backfill(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, slots = await missed(rota, clock, 2)
    await rota.ended(name)
    gate = agent.act = Gate()
    await backfill(rota, name, slots)
    await gate.entered.wait()
    for number in (3, 4):
        await fire(rota, clock, FIRST + number * MINUTE)
    outcomes = [Slot.Outcome.Name(slot.outcome) for slot in (await rota.slots(name))[:2]]
    assert outcomes == ["FIRED", "FIRED"]
    assert await states(rota, name) == ["RUNNING", "PENDING"]
    held, following = await startable(rota)
    assert (len(held), following) == (1, set())  # only the one that goes on
    gate.opened.set()
    await rota.ended(name, 5)
    begun = [task.request_id.partition(":")[0] for task in agent.begun]
    runs = {str(id_of(run.name)): run for run in await rota.runs(name)}
    order = [(runs[run].backfill, runs[run].slot_time.ToDatetime(START.tzinfo)) for run in begun]
    assert order == [
        (False, FIRST + 2 * MINUTE),
        (True, FIRST),
        (False, FIRST + 3 * MINUTE),
        (False, FIRST + 4 * MINUTE),
        (True, FIRST + MINUTE),
    ]


async def test_a_scheduled_run_that_goes_on_is_all_that_skips_a_slot(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    gate = agent.act = Gate()
    name, slots = await missed(rota, clock, 1)
    await gate.entered.wait()
    await backfill(rota, name, slots)
    await fire(rota, clock, FIRST + 2 * MINUTE)
    newest = (await rota.slots(name))[0]
    fired = next(run for run in await rota.runs(name) if not run.backfill)
    assert newest.outcome == Slot.SKIPPED_OVERLAP
    assert str(id_of(fired.name)) in newest.reason
    assert await states(rota, name) == ["PENDING"]
    gate.opened.set()
    await rota.ended(name, 2)


async def test_a_slot_that_replaces_runs_replaces_no_backfill(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    name, slots = await missed(rota, clock, 2, every_minute("cancel_running"))
    await rota.ended(name)
    gate = agent.act = Gate()
    await backfill(rota, name, slots)
    await gate.entered.wait()
    await fire(rota, clock, FIRST + 3 * MINUTE)
    [newest, *_] = await rota.slots(name)
    assert (newest.outcome, newest.reason) == (Slot.FIRED, "")
    assert await states(rota, name) == ["RUNNING", "PENDING"]
    gate.opened.set()
    assert [run.state for run in await rota.ended(name, 4)] == [Run.SUCCEEDED] * 4


async def test_slots_that_wait_for_a_backfill_are_at_most_a_hundred(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 1)
    await backfill(still, name, slots)
    await execute(still.url, "update automation_runs set status = 'succeeded' where not backfill")
    await execute(still.url, "update automation_runs set status = 'running' where backfill")
    for number in range(2, 104):
        await fire(still, api_clock, FIRST + number * MINUTE)
    slots = await still.slots(name)
    assert [slot.outcome for slot in slots[:102]] == [Slot.REJECTED] * 2 + [Slot.FIRED] * 100
    [run] = await backfills(still, name)
    assert slots[0].reason == (
        f"100 runs waited already; the backfill {id_of(run.name)} was still going on."
    )
    # A slot that was turned away because of a backfill can be run afterwards too.
    assert (await backfill(still, name, slots[:2], validate_only=True)).slots


@pytest.mark.parametrize("overlap", ["QUEUE", "ALWAYS"])
async def test_backfills_of_an_automation_of_overlapping_runs(
    rota: Running, clock: ManualClock, agent: FakeAgent, overlap: str
) -> None:
    gate = agent.act = Gate()
    name, slots = await missed(rota, clock, 3, every_minute("always"))
    await gate.entered.wait()
    wanted = {"QUEUE": ["PENDING", "PENDING", "RUNNING"], "ALWAYS": ["RUNNING"] * 3}[overlap]
    await backfill(rota, name, slots, overlap=overlap)

    async def going() -> bool:
        return sorted(await states(rota, name)) == wanted

    # Beside the scheduled run, which goes on.
    await until(going)
    gate.opened.set()
    assert [run.state for run in await rota.ended(name, 4)] == [Run.SUCCEEDED] * 4


async def test_backfills_that_fail_move_no_counter_and_pause_nothing(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    async with running(url, keys, clock=clock, agent=agent, max_consecutive_failures=2) as rota:
        said = every_minute(max_fires=3)
        name, slots = await missed(rota, clock, 4, said)
        await rota.ended(name)

        async def fail(request: AgentTask) -> AgentResult:
            raise errors.InvalidRequest([errors.FieldViolation(field="x", description="broke")])

        agent.act = fail
        before = await rota.get(name)
        rows = "select fires, last_fire_time, last_fired_at, decided_until, next_fire_time"
        held = await execute(url, f"{rows} from automation_triggers")
        await backfill(rota, name, slots)
        await rota.ended(name, 5)
        assert await states(rota, name) == ["FAILED"] * 4
        assert await rota.get(name) == before
        assert before.last_run_state == Run.SUCCEEDED
        assert await execute(url, f"{rows} from automation_triggers") == held


async def test_a_pause_holds_backfills_and_their_age_counts_from_when_they_were_asked_for(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 2, every_minute(catchup_window_seconds=600))
    api_clock.set(FIRST + timedelta(hours=5))
    await backfill(still, name, slots[:1])
    api_clock.set(api_clock.now() + timedelta(seconds=300))
    await backfill(still, name, slots[1:])
    await still.call("PauseAutomation", pb.PauseAutomationRequest(name=name))
    await execute(still.url, "update automation_runs set status = 'succeeded' where not backfill")
    assert await startable(still) == (set(), set())
    api_clock.set(api_clock.now() + timedelta(seconds=301))
    await still.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name))
    assert await states(still, name) == ["CANCELLED", "PENDING"]
    found = await backfills(still, name)
    assert (await startable(still))[1] == {id_of(found[1].name)}
    # Neither ending is one of the schedule.
    owner = await still.get(name)
    assert (owner.last_run_state, owner.consecutive_failures) == (Run.STATE_UNSPECIFIED, 0)
    await still.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name))
    assert await states(still, name) == ["CANCELLED", "CANCELLED"]
    assert (await still.get(name)).last_run_state == Run.STATE_UNSPECIFIED


async def test_a_failed_backfill_is_told_to_the_webhook_as_one(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    async with running(url, keys, clock=clock, agent=agent, roles="api,ticker,worker") as rota:
        name, slots = await missed(rota, clock, 1)
        await rota.ended(name)
        await execute(
            url,
            "insert into webhooks (workspace_id, uri, event_types, disabled, disabled_reason,"
            " secret, secret_create_time, version, create_time, update_time) values ('w',"
            " 'https://127.0.0.1:1/', '[\"run.failed\"]', false, '', '', now(), 1, now(), now())",
        )

        async def fail(request: AgentTask) -> AgentResult:
            raise errors.InvalidRequest([errors.FieldViolation(field="x", description="broke")])

        agent.act = fail
        await backfill(rota, name, slots)
        await rota.ended(name, 2)
        [row] = await execute(url, "select body from webhook_deliveries")
        assert '"backfill":true' in row["body"]


async def test_a_service_that_is_killed_at_any_statement_leaves_all_runs_or_none(
    still: Running, api_clock: ManualClock
) -> None:
    name, slots = await missed(still, api_clock, 60)
    number, left = 0, []
    with CallerScope(Caller(user="ada")):
        async with fuse(still.url) as line:
            while not number or line.blown:
                slot = slots[number]
                number += 1
                line.arm(number)
                key = key_of(name, slot)
                engine = database.create_engine(line.url, schema="automation")
                with contextlib.suppress(Exception):
                    await service_on(engine, api_clock).make(key, call_of(name, slot))
                await engine.dispose()
                left.append(await facts(still.url, slot))
                # Whoever comes next finishes it.
                repeated = await service_on(still.service.db, api_clock).make(
                    key, call_of(name, slot)
                )
                assert [str(one.id) for one in repeated.slots] == [str(id_of(slot.name))]
                assert await facts(still.url, slot) == ALL
    assert set(left) == {NONE, ALL}
    # Once the commit has come to the database everything is there, and before that nothing is.
    assert left == sorted(left)
    assert left.count(NONE) >= 10
    audited = await execute(still.url, "select from audit_events where action = 'BackfillSlots'")
    assert len(audited) == number


NONE, ALL = (0, 0, 0), (1, 1, 1)


async def facts(url: str, slot: Any) -> tuple[int, ...]:
    """How many runs, backfills and requests there are of a slot."""
    [row] = await execute(
        url,
        """
        select (select count(*) from automation_runs r where r.backfill
                  and (r.trigger, r.slot_time) = (s.trigger, s.slot_time)) as runs,
               (select count(*) from automation_backfills b where b.slot_id = s.id) as backfills,
               (select count(*) from requests q where q.request_id = s.id::text) as requests
          from automation_slots s where s.id = $1
        """,
        id_of(slot.name),
    )
    return tuple(row)


def key_of(name: str, slot: Any) -> IdempotencyKey:
    number = str(id_of(slot.name))
    return IdempotencyKey(
        workspace="w", rpc="BackfillSlots", user="ada", request_id=number, body_hash=b""
    )


def call_of(name: str, slot: Any) -> BackfillCall:
    return BackfillCall(automation=name, names=[slot.name])


def service_on(engine: AsyncEngine, clock: ManualClock) -> Backfills:
    idempotency = Idempotency(db=engine, clock=clock, tenancy=Tenancy(TENANTS))
    changes = IdempotentChanges(db=engine, clock=clock, idempotency=idempotency)
    return Backfills(db=engine, queue=PgQueuer(url=""), clock=clock, changes=changes)
