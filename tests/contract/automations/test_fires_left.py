"""What would never fire is refused where it is saved, and nothing else is."""

from datetime import timedelta
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.errors import Code
from shared.rpc.messages.struct import to_struct
from tests.support.calls.refusals import refusal
from tests.support.system.automation import (
    START,
    Running,
    message,
    new_request_id,
    news,
    schedule,
    until,
)

FIRST = START + timedelta(seconds=30)
CONFIG = "definition.triggers[0].config"
BAD_END = (f"automation.{CONFIG}.end_time", "NEVER_FIRES")


def ending(after: timedelta, **more: Any) -> dict[str, Any]:
    """A trigger that fires each minute until then."""
    return schedule(end_time=(START + after).isoformat(), **more)


async def refused(call: Any) -> list[tuple[str, str]]:
    found = await refusal(call)
    assert (found.code, found.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    return [(v.field, v.reason) for v in found.violations]


async def update(rota: Running, name: str, said: dict[str, Any], **fields: Any) -> Any:
    automation = message(said)
    automation.name = name
    return await rota.call(
        "UpdateAutomation", pb.UpdateAutomationRequest(automation=automation, **fields)
    )


async def fired(rota: Running, clock: ManualClock, name: str) -> None:
    """Its only fire is over."""
    clock.set(FIRST)

    async def over() -> bool:
        return not (await rota.get(name)).triggers[0].HasField("next_fire_time")

    await until(over)


async def test_what_would_never_fire_is_not_created(tenant: Running) -> None:
    ended = news(triggers=[ending(-timedelta(days=1))])
    for validate_only in (True, False):
        assert await refused(tenant.create(ended, validate_only=validate_only)) == [BAD_END]
    late = news(triggers=[schedule("58 7 23 11 *", end_time="2026-11-23T08:58:00Z")])
    assert await refused(tenant.create(late)) == [(f"automation.{CONFIG}.cron", "NEVER_FIRES")]
    listed = await tenant.call("ListAutomations", pb.ListAutomationsRequest(parent=tenant.parent))
    assert not listed.automations


async def test_a_disabled_trigger_may_have_ended_until_it_is_enabled(tenant: Running) -> None:
    ended = ending(-timedelta(days=1))
    created = await tenant.create(news(triggers=[{**ended, "enabled": False}]))
    trigger = created.triggers[0]
    assert not trigger.HasField("next_fire_time")
    enabled = pb.UpdateTriggerRequest(trigger=pb.Trigger(name=trigger.name, enabled=True))
    assert await refused(tenant.call("UpdateTrigger", enabled)) == [
        ("trigger.config.end_time", "NEVER_FIRES")
    ]
    assert await refused(update(tenant, created.name, news(triggers=[ended]))) == [BAD_END]
    assert (await tenant.get(created.name)).revision == 1


async def test_a_trigger_that_would_never_fire_is_not_added_or_made_so(tenant: Running) -> None:
    created = await tenant.create(news(triggers=[ending(timedelta(days=1))]))
    config = to_struct(ending(-timedelta(days=1))["config"])
    add = pb.CreateTriggerRequest(
        parent=created.name,
        trigger=pb.Trigger(type="schedule", config=config, static_inputs=_inputs()),
    )
    bad = [("trigger.config.end_time", "NEVER_FIRES")]
    assert await refused(tenant.call("CreateTrigger", add)) == bad
    change = pb.UpdateTriggerRequest(
        trigger=pb.Trigger(name=created.triggers[0].name, config=config)
    )
    assert await refused(tenant.call("UpdateTrigger", change)) == bad
    ended = news(triggers=[ending(-timedelta(days=1))])
    for validate_only in (True, False):
        call = update(tenant, created.name, ended, validate_only=validate_only)
        assert await refused(call) == [BAD_END]
    assert await tenant.get(created.name) == created


async def test_an_automation_that_is_over_can_be_read_changed_and_resumed(
    rota: Running, clock: ManualClock
) -> None:
    once = news(triggers=[schedule(max_fires=1)])
    request_id = new_request_id()
    created = await rota.create(once, request_id=request_id)
    await fired(rota, clock, created.name)

    over = await rota.get(created.name)
    again = pb.UpdateAutomationRequest(automation=over)
    assert (await rota.call("UpdateAutomation", again)).revision == 1
    told = pb.UpdateAutomationRequest(
        automation=pb.Automation(name=over.name, description="Done."),
        update_mask=FieldMask(paths=["description"]),
    )
    assert (await rota.call("UpdateAutomation", told)).description == "Done."
    await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=over.name))
    resumed = await rota.call("ResumeAutomation", pb.ResumeAutomationRequest(name=over.name))
    assert resumed.state == pb.Automation.ACTIVE
    clock.set(START + timedelta(days=400))
    assert (await rota.create(once, request_id=request_id)).name == over.name


async def test_a_new_time_for_what_fired_as_often_as_it_may_is_refused(
    rota: Running, clock: ManualClock
) -> None:
    created = await rota.create(news(triggers=[schedule(max_fires=1)]))
    await fired(rota, clock, created.name)
    later = news(triggers=[schedule("0 12 * * *", max_fires=1)])
    assert await refused(update(rota, created.name, later)) == [
        (f"automation.{CONFIG}.max_fires", "NEVER_FIRES")
    ]
    later["definition"]["triggers"][0]["config"]["max_fires"] = 2
    changed = await update(rota, created.name, later)
    assert changed.triggers[0].next_fire_time.ToJsonString() == "2026-11-23T12:00:00Z"


async def test_a_revision_whose_schedule_has_ended_is_read_and_not_brought_back(
    rota: Running, clock: ManualClock
) -> None:
    name = (await rota.create(news(triggers=[ending(timedelta(hours=1))]))).name
    await update(rota, name, news(triggers=[schedule()]))
    clock.set(START + timedelta(days=1))
    back = pb.RollbackAutomationRequest(name=name, revision=1)
    assert await refused(rota.call("RollbackAutomation", back)) == [BAD_END]
    kept = await rota.call("GetRevision", pb.GetRevisionRequest(name=f"{name}/revisions/1"))
    assert kept.definition.triggers[0].config["end_time"]


def _inputs() -> Any:
    return to_struct({"topic": "trains", "count": 3})
