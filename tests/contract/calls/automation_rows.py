"""AutomationService: one success and each documented refusal of every call."""

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as ap

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id, struct

M: Final = "AutomationService/"


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def _trigger(stage: Stage) -> str:
    return f"{stage.automation.name}/triggers/t"


def _describing(stage: Stage, *paths: str, etag: str = "", of: str = "") -> Any:
    automation = ap.Automation(name=of or stage.automation.name, description="New.", etag=etag)
    return ap.UpdateAutomationRequest(automation=automation, update_mask=FieldMask(paths=paths))


def _without_plan(stage: Stage) -> ap.CreateAutomationRequest:
    request = stage.creating()
    del request.automation.definition.plan[:]
    return request


def _delivering(stage: Stage, *to: str) -> ap.AutomationDefinition:
    plan = [
        {"step_id": "s", "action": "agent_task", "config": {"prompt": "Say hello."}},
        {"step_id": "d", "action": "deliver", "config": {"to": list(to)}},
    ]
    found: ap.AutomationDefinition = stage.drafted(plan=plan).definition
    return found


def _creating_to(stage: Stage, *to: str) -> ap.CreateAutomationRequest:
    request = stage.creating()
    request.automation.definition.CopyFrom(_delivering(stage, *to))
    return request


def _updating_to(stage: Stage, *to: str) -> ap.UpdateAutomationRequest:
    automation = ap.Automation(name=stage.automation.name, definition=_delivering(stage, *to))
    return ap.UpdateAutomationRequest(
        automation=automation, update_mask=FieldMask(paths=["definition"])
    )


def _again_of_this_name(stage: Stage) -> ap.CreateAutomationRequest:
    return stage.creating(automation_id=_id(stage.automation.name))


def _adding(stage: Stage, of: str = "", **fields: Any) -> ap.CreateTriggerRequest:
    config = struct(cron="0 5 * * *", timezone="Europe/Paris")
    return ap.CreateTriggerRequest(
        parent=of or stage.new_automation().name,
        trigger=ap.Trigger(type="schedule", config=config),
        **fields,
    )


def _disabling(stage: Stage, etag: str = "", of: str = "") -> ap.UpdateTriggerRequest:
    name = of or f"{stage.new_automation().name}/triggers/t"
    return ap.UpdateTriggerRequest(trigger=ap.Trigger(name=name, enabled=False, etag=etag))


def _badly_timed(stage: Stage) -> ap.UpdateTriggerRequest:
    config = struct(cron="0 25 * * *", timezone="UTC")
    return ap.UpdateTriggerRequest(trigger=ap.Trigger(name=_trigger(stage), config=config))


def _two_revisions(stage: Stage, revision: int, **fields: Any) -> ap.RollbackAutomationRequest:
    name = stage.new_automation().name
    stage.call(f"{M}CreateTrigger", _adding(stage, name))
    return ap.RollbackAutomationRequest(name=name, revision=revision, **fields)


def _explaining(stage: Stage) -> ap.ExplainSlotRequest:
    request = ap.ExplainSlotRequest(trigger=stage.run.trigger)
    request.time.CopyFrom(stage.run.slot_time)
    return request


def _missed(stage: Stage, of: ap.Automation) -> str:
    """A slot that nothing ran, by name."""
    slot = new_id()
    stage.live.execute(
        "insert into automation.automation_slots (id, automation_id, trigger, trigger_id,"
        " slot_time, fire_time, local_time, outcome, decide_time)"
        " select %s, t.automation_id, t.id, t.trigger_id, now(), now(), '', 'missed', now()"
        " from automation.automation_triggers t"
        " join automation.automations a on a.id = t.automation_id"
        " where a.workspace_id = %s and a.resource_id = %s",
        slot,
        _id(stage.workspace),
        _id(of.name),
    )
    return f"{of.name}/slots/{slot}"


def _backfilling(
    stage: Stage, of: ap.Automation | None = None, **fields: Any
) -> ap.BackfillSlotsRequest:
    owner = of or stage.new_automation()
    return ap.BackfillSlotsRequest(parent=owner.name, slots=[_missed(stage, owner)], **fields)


def _backfilling_what_has_run(stage: Stage) -> ap.BackfillSlotsRequest:
    owner = stage.run.name.partition("/runs/")[0]
    slot = stage.call(f"{M}ListSlots", ap.ListSlotsRequest(parent=owner)).slots[0]
    return ap.BackfillSlotsRequest(parent=owner, slots=[slot.name])


def _named_twice(request: Any) -> None:
    request.slots.append(request.slots[0])


def _previewing(stage: Stage, cron: str) -> ap.PreviewScheduleRequest:
    config = struct(cron=cron, timezone="Europe/Paris")
    return ap.PreviewScheduleRequest(parent=stage.workspace, config=config, count=3)


def _full_run(stage: Stage) -> ap.Run:
    found: ap.Run = stage.call(f"{M}GetRun", ap.GetRunRequest(name=stage.run.name))
    return found


def _slow_run(stage: Stage) -> ap.CancelRunRequest:
    plan = [
        {"step_id": "s", "action": "agent_task", "config": {"prompt": "Say hello. <<ttft=50>>"}}
    ]
    run = stage.begun(stage.new_automation(soon=True, plan=plan))
    return ap.CancelRunRequest(name=run.name)


def _forgotten_run(stage: Stage) -> ap.WatchRunRequest:
    run = stage.fired(stage.new_automation(soon=True))
    stage.live.execute(
        "update automation.automation_runs set events_floor = 2 where id = %s",
        run.name.rpartition("/")[2],
    )
    return ap.WatchRunRequest(name=run.name)


def _pausing_until(stage: Stage, moment: str) -> ap.PauseAutomationRequest:
    request = ap.PauseAutomationRequest(name=stage.new_automation().name)
    request.resume_time.FromJsonString(moment)
    return request


def _skipping_again(stage: Stage) -> ap.SkipNextSlotRequest:
    made = stage.new_automation()
    request = ap.SkipNextSlotRequest(name=made.name)
    request.slot_time.CopyFrom(made.triggers[0].next_slot.slot_time)
    stage.call(f"{M}SkipNextSlot", request)
    return request


def _skipping_nothing(stage: Stage) -> ap.SkipNextSlotRequest:
    request = _disabling(stage)
    stage.call(f"{M}UpdateTrigger", request)
    return ap.SkipNextSlotRequest(name=request.trigger.name.rsplit("/", 2)[0])


def _unskipping(
    stage: Stage, *, skipped: bool = True, of: Any = None, etag: str = ""
) -> ap.UnskipSlotRequest:
    made = of or stage.new_automation()
    trigger = made.triggers[0]
    request = ap.UnskipSlotRequest(name=made.name, trigger=trigger.name, etag=etag)
    request.slot_time.FromJsonString("2035-01-01T00:00:00Z")
    if skipped and of is None:
        request.slot_time.CopyFrom(trigger.next_slot.slot_time)
        stage.call(f"{M}SkipNextSlot", ap.SkipNextSlotRequest(name=made.name))
    return request


def _noted(request: Any) -> None:
    request.note = "another"


def _described(request: Any) -> None:
    request.automation.description = "another"


_TO: Final = "automation.definition.plan[1].config.to"

LIFE_ROWS: Final[list[Row]] = [
    ok(f"{M}CreateAutomation", lambda s: s.creating(), lambda a: a.state == ap.Automation.ACTIVE),
    ok(
        f"{M}CreateAutomation",
        lambda s: s.creating(validate_only=True),
        lambda a: a.triggers[0].HasField("next_fire_time"),
    ),
    again(f"{M}CreateAutomation", lambda s: s.creating(request_id=new_id()), _described),
    refused(f"{M}CreateAutomation", "RESOURCE_EXISTS", _again_of_this_name),
    refused(f"{M}CreateAutomation", "INVALID_REQUEST", _without_plan, "automation.definition.plan"),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _creating_to(s, "inbox", f"{s.workspace}/destinations/none"),
        f"{_TO}[1]",
    ),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _creating_to(s, f"workspaces/other/threads/{new_id()}"),
        f"{_TO}[0]",
    ),
    ok(
        f"{M}CreateAutomation",
        lambda s: _creating_to(s, s.new_thread().name, s.new_destination().name),
        lambda a: len(a.definition.plan) == 2,
    ),
    refused(
        f"{M}UpdateAutomation",
        "INVALID_REQUEST",
        lambda s: _updating_to(s, f"{s.workspace}/threads/{new_id()}"),
        f"{_TO}[0]",
    ),
    ok(
        f"{M}GetAutomation",
        lambda s: ap.GetAutomationRequest(name=s.automation.name),
        lambda a: a.HasField("definition"),
    ),
    ok(
        f"{M}ListAutomations",
        lambda s: ap.ListAutomationsRequest(parent=s.automation.name.rsplit("/", 2)[0]),
        lambda page: page.automations and not page.automations[0].HasField("definition"),
    ),
    refused(
        f"{M}ListAutomations",
        "INVALID_REQUEST",
        lambda s: ap.ListAutomationsRequest(parent=s.workspace, filter="colour = red"),
        "filter",
    ),
    ok(f"{M}UpdateAutomation", _describing, lambda a: a.description == "New."),
    refused(f"{M}UpdateAutomation", "ETAG_MISMATCH", lambda s: _describing(s, etag="stale")),
    refused(
        f"{M}UpdateAutomation", "INVALID_REQUEST", lambda s: _describing(s, "state"), "update_mask"
    ),
    refused(
        f"{M}UpdateAutomation",
        "STATE_CONFLICT",
        lambda s: _describing(s, of=s.archived().name),
    ),
    ok(
        f"{M}DeleteAutomation",
        lambda s: ap.DeleteAutomationRequest(name=s.new_automation().name),
        lambda empty: not empty.ListFields(),
    ),
    refused(
        f"{M}DeleteAutomation",
        "ETAG_MISMATCH",
        lambda s: ap.DeleteAutomationRequest(name=s.automation.name, etag="stale"),
    ),
    ok(
        f"{M}PauseAutomation",
        lambda s: ap.PauseAutomationRequest(name=s.new_automation().name, note="why"),
        lambda a: (a.state, a.pause_note) == (ap.Automation.PAUSED, "why"),
    ),
    again(
        f"{M}PauseAutomation",
        lambda s: ap.PauseAutomationRequest(name=s.new_automation().name, request_id=new_id()),
        _noted,
    ),
    ok(
        f"{M}PauseAutomation",
        lambda s: _pausing_until(s, "2035-01-01T00:00:00Z"),
        lambda a: a.resume_time.ToJsonString() == "2035-01-01T00:00:00Z",
    ),
    refused(
        f"{M}PauseAutomation",
        "INVALID_REQUEST",
        lambda s: _pausing_until(s, "2020-01-01T00:00:00Z"),
        "resume_time",
    ),
    refused(
        f"{M}PauseAutomation",
        "STATE_CONFLICT",
        lambda s: ap.PauseAutomationRequest(name=s.archived().name),
    ),
    refused(
        f"{M}PauseAutomation",
        "ETAG_MISMATCH",
        lambda s: ap.PauseAutomationRequest(name=s.automation.name, etag="stale"),
    ),
    ok(
        f"{M}ResumeAutomation",
        lambda s: ap.ResumeAutomationRequest(name=s.paused().name),
        lambda a: a.state == ap.Automation.ACTIVE,
    ),
    refused(
        f"{M}ResumeAutomation",
        "STATE_CONFLICT",
        lambda s: ap.ResumeAutomationRequest(name=s.automation.name),
    ),
    refused(
        f"{M}ResumeAutomation",
        "ETAG_MISMATCH",
        lambda s: ap.ResumeAutomationRequest(name=s.automation.name, etag="stale"),
    ),
    ok(
        f"{M}SkipNextSlot",
        lambda s: ap.SkipNextSlotRequest(name=s.new_automation().name, note="why"),
        lambda a: a.triggers[0].skipped_slots[0].note == "why",
    ),
    again(
        f"{M}SkipNextSlot",
        lambda s: ap.SkipNextSlotRequest(name=s.new_automation().name, request_id=new_id()),
        _noted,
    ),
    refused(
        f"{M}SkipNextSlot",
        "STATE_CONFLICT",
        lambda s: ap.SkipNextSlotRequest(name=s.paused().name),
    ),
    refused(
        f"{M}SkipNextSlot",
        "ETAG_MISMATCH",
        lambda s: ap.SkipNextSlotRequest(name=s.automation.name, etag="stale"),
    ),
    refused(f"{M}SkipNextSlot", "SLOT_MISMATCH", _skipping_again),
    refused(f"{M}SkipNextSlot", "NO_SLOT_LEFT", _skipping_nothing),
    refused(
        f"{M}SkipNextSlot",
        "INVALID_REQUEST",
        lambda s: ap.SkipNextSlotRequest(
            name=s.automation.name, trigger=f"{s.workspace}/automations/other/triggers/t"
        ),
        "trigger",
    ),
    ok(
        f"{M}UnskipSlot",
        _unskipping,
        lambda a: not a.triggers[0].skipped_slots,
    ),
    refused(f"{M}UnskipSlot", "SLOT_NOT_SKIPPED", lambda s: _unskipping(s, skipped=False)),
    refused(f"{M}UnskipSlot", "ETAG_MISMATCH", lambda s: _unskipping(s, etag="stale")),
    refused(f"{M}UnskipSlot", "STATE_CONFLICT", lambda s: _unskipping(s, of=s.archived())),
    ok(
        f"{M}ArchiveAutomation",
        lambda s: ap.ArchiveAutomationRequest(name=s.new_automation().name),
        lambda a: a.state == ap.Automation.ARCHIVED,
    ),
    refused(
        f"{M}ArchiveAutomation",
        "STATE_CONFLICT",
        lambda s: ap.ArchiveAutomationRequest(name=s.archived().name),
    ),
    refused(
        f"{M}ArchiveAutomation",
        "ETAG_MISMATCH",
        lambda s: ap.ArchiveAutomationRequest(name=s.automation.name, etag="stale"),
    ),
]

PART_ROWS: Final[list[Row]] = [
    ok(f"{M}CreateTrigger", _adding, lambda t: t.HasField("next_fire_time")),
    refused(
        f"{M}CreateTrigger",
        "RESOURCE_EXISTS",
        lambda s: _adding(s, s.automation.name, trigger_id="t"),
    ),
    refused(f"{M}CreateTrigger", "STATE_CONFLICT", lambda s: _adding(s, s.archived().name)),
    ok(
        f"{M}GetTrigger",
        lambda s: ap.GetTriggerRequest(name=_trigger(s)),
        lambda trigger: trigger.enabled,
    ),
    ok(
        f"{M}ListTriggers",
        lambda s: ap.ListTriggersRequest(parent=s.automation.name),
        lambda page: [t.trigger_id for t in page.triggers] == ["t"],
    ),
    ok(f"{M}UpdateTrigger", _disabling, lambda t: not t.enabled),
    refused(f"{M}UpdateTrigger", "ETAG_MISMATCH", lambda s: _disabling(s, "stale", _trigger(s))),
    refused(f"{M}UpdateTrigger", "INVALID_REQUEST", _badly_timed, "trigger.config.cron"),
    ok(
        f"{M}DeleteTrigger",
        lambda s: ap.DeleteTriggerRequest(name=f"{s.new_automation().name}/triggers/t"),
        lambda empty: not empty.ListFields(),
    ),
    refused(
        f"{M}DeleteTrigger",
        "ETAG_MISMATCH",
        lambda s: ap.DeleteTriggerRequest(name=_trigger(s), etag="stale"),
    ),
    ok(
        f"{M}ListRevisions",
        lambda s: ap.ListRevisionsRequest(parent=s.automation.name),
        lambda page: page.revisions[-1].revision == 1,
    ),
    ok(
        f"{M}GetRevision",
        lambda s: ap.GetRevisionRequest(name=f"{s.automation.name}/revisions/1"),
        lambda revision: revision.HasField("definition"),
    ),
    ok(f"{M}RollbackAutomation", lambda s: _two_revisions(s, 1), lambda a: a.revision == 3),
    refused(f"{M}RollbackAutomation", "RESOURCE_NOT_FOUND", lambda s: _two_revisions(s, 9)),
    refused(
        f"{M}RollbackAutomation", "ETAG_MISMATCH", lambda s: _two_revisions(s, 1, etag="stale")
    ),
    ok(
        f"{M}PreviewSchedule",
        lambda s: _previewing(s, "0 9 * * *"),
        lambda found: len(found.slots) == 3,
    ),
    refused(
        f"{M}PreviewSchedule", "INVALID_REQUEST", lambda s: _previewing(s, "@daily"), "config.cron"
    ),
    ok(
        f"{M}BackfillSlots",
        _backfilling,
        lambda found: [bool(slot.backfill.run) for slot in found.slots] == [True],
    ),
    ok(
        f"{M}BackfillSlots",
        lambda s: _backfilling(s, validate_only=True),
        lambda found: [slot.HasField("backfill") for slot in found.slots] == [False],
    ),
    again(f"{M}BackfillSlots", lambda s: _backfilling(s, request_id=new_id()), _named_twice),
    refused(f"{M}BackfillSlots", "INVALID_REQUEST", _backfilling_what_has_run, "slots[0]"),
    refused(
        f"{M}BackfillSlots",
        "INVALID_REQUEST",
        lambda s: ap.BackfillSlotsRequest(parent=s.automation.name),
        "slots",
    ),
    refused(
        f"{M}BackfillSlots",
        "RESOURCE_NOT_FOUND",
        lambda s: ap.BackfillSlotsRequest(
            parent=s.automation.name, slots=[f"{s.automation.name}/slots/{new_id()}"]
        ),
    ),
    refused(f"{M}BackfillSlots", "STATE_CONFLICT", lambda s: _backfilling(s, s.paused())),
    refused(f"{M}BackfillSlots", "ETAG_MISMATCH", lambda s: _backfilling(s, etag="stale")),
    ok(
        f"{M}ListSlots",
        lambda s: ap.ListSlotsRequest(parent=s.run.name.partition("/runs/")[0]),
        lambda page: [slot.outcome for slot in page.slots] == [ap.Slot.FIRED],
    ),
    refused(
        f"{M}ListSlots",
        "INVALID_REQUEST",
        lambda s: ap.ListSlotsRequest(parent=s.automation.name, filter="outcome = EATEN"),
        "filter",
    ),
    ok(f"{M}ExplainSlot", _explaining, lambda found: found.explanation == "It fired on time."),
    ok(
        f"{M}GetRun",
        lambda s: ap.GetRunRequest(name=s.run.name),
        lambda run: (
            run.state == ap.Run.SUCCEEDED
            and run.output_snippet
            and run.step_results[0].session_id
            and run.step_results[0].HasField("session_expire_time")
        ),
    ),
    ok(
        f"{M}ListRuns",
        lambda s: ap.ListRunsRequest(parent=s.run.name.partition("/runs/")[0]),
        lambda page: page.runs and not page.runs[0].HasField("definition_snapshot"),
    ),
    ok(
        f"{M}ListRuns",
        lambda s: ap.ListRunsRequest(
            parent=f"{s.workspace}/automations/-",
            filter=f"session = {_full_run(s).step_results[0].session_id}",
        ),
        lambda page: len(page.runs) == 1 and page.runs[0].output_snippet,
    ),
    ok(
        f"{M}ListRuns",
        lambda s: ap.ListRunsRequest(
            parent=f"{s.workspace}/automations/-",
            filter=f"automation = {s.run.name.split('/')[3]} AND state = SUCCEEDED",
        ),
        lambda page: page.runs and page.runs[0].automation_display_name,
    ),
    refused(
        f"{M}ListRuns",
        "INVALID_REQUEST",
        lambda s: ap.ListRunsRequest(
            parent=f"{s.workspace}/automations/-", filter="automation = never-made"
        ),
        "filter",
    ),
    refused(
        f"{M}ListRuns",
        "INVALID_REQUEST",
        lambda s: ap.ListRunsRequest(parent=s.automation.name, filter="state = ODD"),
        "filter",
    ),
    ok(
        f"{M}WatchRun",
        lambda s: ap.WatchRunRequest(name=s.run.name),
        lambda frames: frames[-1].ended.state == ap.Run.SUCCEEDED,
    ),
    refused(
        f"{M}WatchRun",
        "INVALID_REQUEST",
        lambda s: ap.WatchRunRequest(name=s.run.name, after_sequence=999),
    ),
    refused(f"{M}WatchRun", "STREAM_TRUNCATED", _forgotten_run),
    ok(
        f"{M}CancelRun",
        _slow_run,
        lambda run: run.state in (ap.Run.RUNNING, ap.Run.CANCELLED),
    ),
    refused(f"{M}CancelRun", "STATE_CONFLICT", lambda s: ap.CancelRunRequest(name=s.run.name)),
    ok(
        f"{M}ListActionTypes",
        lambda s: ap.ListActionTypesRequest(parent=s.workspace),
        lambda page: "agent_task" in [t.type for t in page.action_types],
    ),
    ok(
        f"{M}ListTriggerTypes",
        lambda s: ap.ListTriggerTypesRequest(parent=s.workspace),
        lambda page: [t.type for t in page.trigger_types] == ["schedule"],
    ),
    ok(
        f"{M}ListCapabilities",
        lambda s: ap.ListCapabilitiesRequest(parent=s.workspace),
        lambda page: "fetch_url" in [c.id for c in page.capabilities],
    ),
]

AUTOMATION_ROWS: Final = [*LIFE_ROWS, *PART_ROWS]
