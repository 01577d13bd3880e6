"""Changing automations: states, etags, masks, revisions, triggers."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.errors import Code
from tests.support.calls.refusals import refusal
from tests.support.system.automation import (
    START,
    Running,
    execute,
    message,
    new_request_id,
    news,
    schedule,
    until,
)

State = pb.Automation


async def pause(rota: Running, name: str, **fields: Any) -> Any:
    return await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=name, **fields))


async def resume(rota: Running, name: str, **fields: Any) -> Any:
    return await rota.call("ResumeAutomation", pb.ResumeAutomationRequest(name=name, **fields))


async def archive(rota: Running, name: str, **fields: Any) -> Any:
    return await rota.call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=name, **fields))


async def update(
    rota: Running, name: str, said: dict[str, Any], *paths: str, etag: str = "", **fields: Any
) -> Any:
    automation = message(said)
    automation.name, automation.etag = name, etag
    request = pb.UpdateAutomationRequest(
        automation=automation, update_mask=FieldMask(paths=paths), **fields
    )
    return await rota.call("UpdateAutomation", request)


async def test_it_is_paused_with_a_note_and_resumed_without(tenant: Running) -> None:
    created = await tenant.create()
    paused = await pause(tenant, created.name, note="holidays")
    assert (paused.state, paused.pause_note) == (State.PAUSED, "holidays")
    assert paused.etag != created.etag
    resumed = await resume(tenant, created.name)
    assert (resumed.state, resumed.pause_note) == (State.ACTIVE, "")


async def test_states_change_only_as_they_may(tenant: Running) -> None:
    name = (await tenant.create()).name
    wrong = [resume]
    for act in wrong:
        found = await refusal(act(tenant, name))
        assert (found.code, found.reason) == (Code.FAILED_PRECONDITION, "STATE_CONFLICT")
        assert found.metadata == {"resource": name, "state": "ACTIVE"}
    await pause(tenant, name)
    assert (await pause(tenant, name, note="another")).pause_note == "another"
    archived = await archive(tenant, name)
    assert archived.state == State.ARCHIVED
    assert not archived.triggers[0].HasField("next_fire_time")
    for again in (pause, resume, archive):
        found = await refusal(again(tenant, name))
        assert found.metadata["state"] == "ARCHIVED"
    assert (await refusal(update(tenant, name, news()))).reason == "STATE_CONFLICT"


async def test_an_archived_automation_fires_no_more(rota: Running, clock: ManualClock) -> None:
    archived = (await rota.create(news(triggers=[schedule()]))).name
    active = (await rota.create(news(triggers=[schedule()]))).name
    await archive(rota, archived)
    clock.advance(timedelta(minutes=1))
    await until(lambda: rota.slots(active))
    assert await rota.slots(archived) == []


async def test_a_stale_etag_changes_nothing(tenant: Running) -> None:
    created = await tenant.create()
    await pause(tenant, created.name, etag=created.etag)
    found = await refusal(resume(tenant, created.name, etag=created.etag))
    assert (found.code, found.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    now = (await tenant.get(created.name)).etag
    assert found.metadata == {"resource": created.name, "etag": now}
    assert (await refusal(update(tenant, created.name, news(), etag="x"))).reason == "ETAG_MISMATCH"
    deleted = pb.DeleteAutomationRequest(name=created.name, etag="x")
    assert (await refusal(tenant.call("DeleteAutomation", deleted))).reason == "ETAG_MISMATCH"


async def test_a_repeated_change_is_made_once(tenant: Running) -> None:
    name = (await tenant.create()).name
    request_id = new_request_id()
    first = await pause(tenant, name, request_id=request_id)
    again = await pause(tenant, name, request_id=request_id)
    assert again == first
    await resume(tenant, name)
    assert (await pause(tenant, name, request_id=request_id)).state == State.ACTIVE
    found = await refusal(pause(tenant, name, request_id=request_id, note="another body"))
    assert found.reason == "REQUEST_ID_REUSED"


async def test_deletion_takes_everything_with_it(rota: Running, clock: ManualClock) -> None:
    name = (await rota.create(news(triggers=[schedule()]))).name
    clock.advance(timedelta(seconds=30))
    [run] = await rota.ended(name)
    request = pb.DeleteAutomationRequest(name=name, request_id=new_request_id())
    await rota.call("DeleteAutomation", request)
    await rota.call("DeleteAutomation", request)  # a repeat does nothing
    assert (await refusal(rota.get(name))).code is Code.NOT_FOUND
    assert (await refusal(rota.run(run.name))).code is Code.NOT_FOUND
    for table in ("automations", "automation_runs", "automation_slots", "automation_revisions"):
        assert await execute(rota.url, f"select 1 from {table}") == []


async def test_a_changed_definition_is_a_new_revision_and_a_changed_schedule_starts_now(
    tenant: Running,
) -> None:
    created = await tenant.create()
    later = news(triggers=[schedule("30 10 * * *")])
    changed = await update(tenant, created.name, {"definition": later["definition"]})
    assert (changed.revision, changed.display_name) == (2, "Morning news")
    assert [t.trigger_id for t in changed.triggers] == ["t"]
    due = changed.triggers[0].next_fire_time.ToDatetime(tzinfo=UTC)
    assert due == START.replace(hour=10, minute=30, second=0)

    request = pb.ListRevisionsRequest(parent=created.name, page_size=1)
    page = await tenant.call("ListRevisions", request)
    assert [r.revision for r in page.revisions] == [2]
    assert not page.revisions[0].HasField("definition")
    request.page_token = page.next_page_token
    assert [r.revision for r in (await tenant.call("ListRevisions", request)).revisions] == [1]

    first = await tenant.call(
        "GetRevision", pb.GetRevisionRequest(name=f"{created.name}/revisions/1")
    )
    assert (first.definition, first.author) == (created.definition, "users/ada")
    back = await tenant.call(
        "RollbackAutomation", pb.RollbackAutomationRequest(name=created.name, revision=1)
    )
    assert (back.revision, back.definition) == (3, created.definition)
    gone = pb.RollbackAutomationRequest(name=created.name, revision=9)
    assert (await refusal(tenant.call("RollbackAutomation", gone))).code is Code.NOT_FOUND


async def test_an_update_without_a_changed_definition_makes_no_revision(tenant: Running) -> None:
    created = await tenant.create()
    changed = await update(tenant, created.name, {"description": "New."})
    assert (changed.revision, changed.description) == (1, "New.")
    assert changed.definition == created.definition
    assert changed.triggers[0].next_fire_time == created.triggers[0].next_fire_time


async def test_a_mask_says_what_is_changed(tenant: Running) -> None:
    created = await tenant.create()
    said = {**news(), "description": "ignored", "display_name": "Evening news"}
    renamed = await update(tenant, created.name, said, "display_name")
    assert (renamed.display_name, renamed.definition.name) == ("Evening news", "Evening news")
    assert renamed.description == created.description
    emptied = await update(tenant, created.name, {}, "description")
    assert emptied.description == ""
    for path in ("state", "creator", "definition.plan"):
        found = await refusal(update(tenant, created.name, said, path))
        assert [v.field for v in found.violations] == ["update_mask"]
    found = await refusal(update(tenant, created.name, {"display_name": "x"}, "*"))
    assert [v.field for v in found.violations] == ["automation.definition"]


async def test_an_update_can_be_tried_without_saving(tenant: Running) -> None:
    created = await tenant.create()
    tried = await update(
        tenant, created.name, news(triggers=[schedule()], goal="x"), validate_only=True
    )
    assert (tried.revision, tried.definition.goal) == (2, "x")
    assert tried.triggers[0].HasField("next_fire_time")
    assert await tenant.get(created.name) == created
    found = await refusal(update(tenant, created.name, news(plan=[]), validate_only=True))
    assert [v.field for v in found.violations] == ["automation.definition.plan"]


def every_hour() -> Struct:
    found = Struct()
    found.update({"cron": "0 * * * *", "timezone": "UTC"})
    return found


PLAN = [{"step_id": "a", "action": "agent_task", "config": {"prompt": "Say hello."}}]


async def test_triggers_are_edited_one_by_one(tenant: Running) -> None:
    owner = (await tenant.create(news(triggers=[], inputs={"schema": {}}, plan=PLAN))).name
    request_id = new_request_id()
    create = pb.CreateTriggerRequest(
        parent=owner,
        trigger=pb.Trigger(type="schedule", config=every_hour()),
        request_id=request_id,
    )
    made = await tenant.call("CreateTrigger", create)
    assert made.name.startswith(f"{owner}/triggers/")
    assert await tenant.call("CreateTrigger", create) == made
    assert made.next_fire_time.ToDatetime(tzinfo=UTC) == START + timedelta(seconds=30)

    changed = pb.Trigger(name=made.name, enabled=False, etag=made.etag)
    off = await tenant.call("UpdateTrigger", pb.UpdateTriggerRequest(trigger=changed))
    assert (off.enabled, off.config) == (False, every_hour())
    assert not off.HasField("next_fire_time")
    stale = pb.UpdateTriggerRequest(trigger=changed)
    assert (await refusal(tenant.call("UpdateTrigger", stale))).reason == "ETAG_MISMATCH"

    get = pb.GetTriggerRequest(name=made.name)
    assert await tenant.call("GetTrigger", get) == off
    listed = await tenant.call("ListTriggers", pb.ListTriggersRequest(parent=owner))
    assert [t.name for t in listed.triggers] == [made.name]
    await tenant.call("DeleteTrigger", pb.DeleteTriggerRequest(name=made.name))
    assert (await refusal(tenant.call("GetTrigger", get))).code is Code.NOT_FOUND
    assert (await tenant.get(owner)).revision == 4


async def test_a_trigger_that_is_wrong_or_there_is_refused(tenant: Running) -> None:
    owner = (await tenant.create(news(inputs={"schema": {}}, plan=PLAN))).name
    taken = pb.CreateTriggerRequest(
        parent=owner,
        trigger=pb.Trigger(type="schedule", config=every_hour()),
        trigger_id="mornings",
    )
    assert (await refusal(tenant.call("CreateTrigger", taken))).reason == "RESOURCE_EXISTS"
    manual = pb.CreateTriggerRequest(
        parent=owner, trigger=pb.Trigger(type="manual", config=every_hour())
    )
    found = await refusal(tenant.call("CreateTrigger", manual))
    assert found.code is Code.INVALID_ARGUMENT
    assert [v.field for v in found.violations] == ["trigger.type"]


async def test_every_change_leaves_an_audit_row(tenant: Running) -> None:
    name = (await tenant.create()).name
    await pause(tenant, name)
    rows = await execute(
        tenant.url,
        "select actor, action, resource from audit_events where workspace_id = $1"
        " order by create_time, id",
        tenant.workspace,
    )
    assert [tuple(row) for row in rows] == [
        ("ada", "CreateAutomation", name),
        ("ada", "PauseAutomation", name),
    ]


FIRST_AND_LAST = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")


async def test_the_ends_of_the_calendar_are_explained_in_every_zone(tenant: Running) -> None:
    zones = ("UTC", "Pacific/Kiritimati", "America/Adak")
    crons = ("* * * * *", "59 23 31 12 *")
    moments = [
        *FIRST_AND_LAST,
        "0001-01-01T13:59:59Z",
        "0001-01-02T00:00:00.000001Z",
        "9999-12-31T10:00:00Z",
        "9999-12-30T23:59:00Z",
    ]
    for trigger in (schedule(cron, zone) for zone in zones for cron in crons):
        name = (await tenant.create(news(triggers=[trigger]))).name
        for moment in moments:
            request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
            request.time.FromJsonString(moment)
            assert (await tenant.call("ExplainSlot", request)).explanation


async def test_an_excluded_date_is_no_slot_and_says_so(tenant: Running) -> None:
    config = {"cron": "0 9 * * *", "timezone": "Europe/Paris", "excluded_dates": ["2026-11-24"]}
    name = (await tenant.create(news(triggers=[{**schedule(), "config": config}]))).name
    request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
    for hour, date in ((8, "2026-11-24"), (23, "2026-11-24")):
        # 23:00 of the 23rd in UTC is midnight of the 24th in Paris
        request.time.FromDatetime(START.replace(day=24 if hour == 8 else 23, hour=hour, minute=0))
        found = await tenant.call("ExplainSlot", request)
        assert found.explanation == (
            f"It is no slot of this schedule: {date} is one of its excluded dates."
        )
        assert [slot.local_time[:10] for slot in found.nearest_slots] == [
            "2026-11-23",
            "2026-11-25",
        ]


@pytest.mark.parametrize(
    ("form", "summary", "slots"),
    [
        ({"at": "2099-03-01T09:00"}, "Once, at 09:00 on Sunday, 1 March 2099", 1),
        (
            {"every": {"unit": "weeks", "count": 2, "anchor": "2099-03-01T09:00"}},
            "Every 2 weeks on Sunday at 09:00 from 1 March 2099",
            5,
        ),
        (
            {"every": {"unit": "minutes", "count": 90, "anchor": "2026-11-01T09:00"}},
            "Every 90 minutes from 09:00 on 1 November 2026",
            5,
        ),
    ],
)
async def test_the_preview_of_a_form_has_its_slots_and_its_words(
    tenant: Running, form: dict[str, Any], summary: str, slots: int
) -> None:
    request = pb.PreviewScheduleRequest(count=5)
    request.parent = (await tenant.create()).name.partition("/automations/")[0]
    request.config.update({"timezone": "Europe/Paris", **form})
    found = await tenant.call("PreviewSchedule", request)
    assert found.summary == f"{summary}, Europe/Paris"
    assert len(found.slots) == slots


@pytest.mark.parametrize(
    "broken",
    [
        """jsonb_set(definition, '{triggers,0,config,cron}', '"every day"')""",
        """jsonb_set(definition, '{triggers,0,config}', '7')""",
        "definition #- '{triggers,0,config}'",
        "definition - 'triggers'",
        "'[]'::jsonb",
    ],
)
async def test_a_slot_of_a_definition_that_can_not_be_read_is_explained(
    tenant: Running, broken: str
) -> None:
    name = (await tenant.create(news(triggers=[schedule()]))).name
    break_it = f"update automations set definition = {broken} where workspace_id = $1"
    await execute(tenant.url, break_it, tenant.workspace)
    request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
    request.time.FromDatetime(START)
    found = await tenant.call("ExplainSlot", request)
    assert found.explanation == "Its schedule can't be read."


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (START + timedelta(seconds=30), "It fired on time."),
        (START + timedelta(seconds=90), "It has not come yet."),
        (START + timedelta(seconds=45), "It is no slot of this schedule."),
        (START - timedelta(seconds=30), "The trigger did not exist yet."),
    ],
)
async def test_a_moment_is_explained(
    rota: Running, clock: ManualClock, moment: Any, said: str
) -> None:
    name = (await rota.create(news(triggers=[schedule()]))).name
    clock.advance(timedelta(seconds=40))
    await until(lambda: rota.slots(name))
    request = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t")
    request.time.FromDatetime(moment)
    found = await rota.call("ExplainSlot", request)
    assert found.explanation == said
    assert found.HasField("slot") == said.startswith("It fired")
    assert len(found.nearest_slots) == (2 if "no slot" in said else 0)


async def update_trigger(rota: Running, trigger: Any, config: dict[str, Any], **fields: Any) -> Any:
    changed = pb.Trigger(name=trigger.name, etag=fields.pop("etag", ""))
    changed.config.update(config)
    request = pb.UpdateTriggerRequest(trigger=changed, **fields)
    return await rota.call("UpdateTrigger", request)


async def test_a_dry_run_answers_with_the_present_etag_and_guards_the_update(
    tenant: Running,
) -> None:
    created = await tenant.create(news(triggers=[schedule()]))
    (trigger,) = created.triggers
    mine = {"display_name": "mine"}
    config = {"cron": "5 * * * *", "timezone": "UTC"}
    shown = await update(tenant, created.name, mine, "display_name", validate_only=True)
    assert (shown.display_name, shown.etag) == ("mine", created.etag)
    planned = await update_trigger(tenant, trigger, config, validate_only=True)
    assert planned.etag == created.etag
    await update(tenant, created.name, {"description": "hers"}, "description")
    for late in (
        update(tenant, created.name, mine, "display_name", etag=shown.etag),
        update_trigger(tenant, trigger, config, etag=planned.etag),
    ):
        assert (await refusal(late)).reason == "ETAG_MISMATCH"


async def test_an_update_saves_what_was_shown_or_nothing(tenant: Running) -> None:
    created = await tenant.create(news(triggers=[schedule()]))
    (trigger,) = created.triggers
    mine = {"display_name": "mine"}
    config = {"cron": "5 * * * *", "timezone": "UTC"}
    shown = await update(tenant, created.name, mine, "display_name", validate_only=True)
    planned = await update_trigger(tenant, trigger, config, validate_only=True)
    assert created.payload_digest == ""
    await update(tenant, created.name, {"description": "hers"}, "description")
    found = await refusal(
        update(tenant, created.name, mine, "display_name", payload_digest=shown.payload_digest)
    )
    assert (found.code, found.reason) == (Code.ABORTED, "DIGEST_MISMATCH")
    assert found.metadata == {"resource": created.name}
    other = {"cron": "6 * * * *", "timezone": "UTC"}
    wrong = update_trigger(tenant, trigger, other, payload_digest=planned.payload_digest)
    assert (await refusal(wrong)).metadata == {"resource": trigger.name}
    got = await tenant.call("GetAutomation", pb.GetAutomationRequest(name=created.name))
    assert (got.display_name, got.revision) == (created.display_name, 1)

    saved = await update_trigger(
        tenant, trigger, config, payload_digest=planned.payload_digest.upper()
    )
    assert saved.config["cron"] == "5 * * * *"
    shown = await update(tenant, created.name, mine, "display_name", validate_only=True)
    saved = await update(
        tenant, created.name, mine, "display_name", payload_digest=shown.payload_digest
    )
    assert saved.display_name == "mine"


async def test_an_update_that_changes_nothing_keeps_etag_revision_and_time(
    rota: Running, clock: ManualClock
) -> None:
    created = await rota.create(news(triggers=[schedule()]))
    (trigger,) = created.triggers
    clock.advance(timedelta(seconds=1))
    said = message(news(triggers=[schedule()]))
    said.name = created.name
    same = pb.UpdateAutomationRequest(automation=said, update_mask=FieldMask(paths=["*"]))
    await rota.call("UpdateAutomation", same)
    await update(rota, created.name, {"display_name": created.display_name}, "display_name")
    config = {"cron": "* * * * *", "timezone": "UTC"}
    await update_trigger(rota, trigger, config, etag=created.etag)
    await rota.call(
        "RollbackAutomation", pb.RollbackAutomationRequest(name=created.name, revision=1)
    )
    got = await rota.call("GetAutomation", pb.GetAutomationRequest(name=created.name))
    assert (got.etag, got.revision, got.update_time) == (created.etag, 1, created.update_time)
    revisions = await rota.call("ListRevisions", pb.ListRevisionsRequest(parent=created.name))
    assert len(revisions.revisions) == 1
