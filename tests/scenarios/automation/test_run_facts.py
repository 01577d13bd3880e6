"""What a run is told is what held when its slot fired, whatever changed while it waited."""

import copy
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from google.protobuf import field_mask_pb2, json_format
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence import run_endings
from automation_service.scheduling import start_expiry
from shared.clock import ManualClock
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import (
    START,
    Running,
    execute,
    message,
    news,
    schedule,
    until,
)

PROMPT = (
    "{{ trigger.trigger_id }} {{ trigger.type }} {{ trigger.scheduled_for }} "
    "{{ run.slot_time }} {{ inputs.topic }} {{ run.name }}"
)
SECOND_SLOT = START + timedelta(seconds=90)
Change = Callable[[Running, str], Awaitable[Any]]


def queue(prompt: str = PROMPT, **config: Any) -> dict[str, Any]:
    plan = [{"step_id": "one", "action": "agent_task", "config": {"prompt": prompt}}]
    trigger = schedule("* * * * *", "Asia/Tokyo", catchup_window_seconds=600, **config)
    return news(triggers=[trigger], plan=plan, execution={"concurrency": "queue"})


async def delete_trigger(rota: Running, name: str) -> None:
    await rota.call("DeleteTrigger", pb.DeleteTriggerRequest(name=f"{name}/triggers/t"))


async def replace_trigger(rota: Running, name: str) -> None:
    await delete_trigger(rota, name)
    trigger = pb.Trigger(type="schedule")
    json_format.ParseDict({"cron": "0 0 1 1 *", "timezone": "America/Lima"}, trigger.config)
    json_format.ParseDict({"topic": "ships"}, trigger.static_inputs)
    request = pb.CreateTriggerRequest(parent=name, trigger=trigger, trigger_id="t")
    await rota.call("CreateTrigger", request)


async def edit(rota: Running, name: str) -> None:
    said = copy.deepcopy(queue("Something else.", jitter_seconds=30))
    said["display_name"] = said["definition"]["name"] = "Another name"
    said["definition"]["triggers"][0]["config"]["timezone"] = "America/Lima"
    said["definition"]["triggers"][0]["trigger_id"] = "u"
    automation = message(said)
    automation.name = name
    mask = field_mask_pb2.FieldMask(paths=["display_name", "definition"])
    request = pb.UpdateAutomationRequest(automation=automation, update_mask=mask)
    await rota.call("UpdateAutomation", request)


async def forget_slots(rota: Running, name: str) -> None:
    await delete_trigger(rota, name)
    await execute(rota.url, "delete from automation_slots")


@pytest.mark.parametrize("change", [delete_trigger, replace_trigger, edit, forget_slots])
async def test_a_run_that_waited_is_told_what_held_at_its_slot(
    rota: Running, clock: ManualClock, agent: FakeAgent, change: Change
) -> None:
    agent.act = gate = Gate()
    name = (await rota.create(queue())).name
    for wanted in (1, 2):
        clock.set(START + timedelta(seconds=60 * wanted - 30))
        await until(partial(_has_runs, rota, name, wanted))
    await gate.entered.wait()
    await change(rota, name)
    async with rota.service.db.connect() as connection:
        [owner] = await execute(rota.url, "select id from automations")
        waiting = await run_endings.list_waiting(connection, owner["id"])
    [(_, expiry)] = start_expiry.find_expired(waiting, SECOND_SLOT + timedelta(hours=1)).items()
    assert expiry.metadata["catchup_window_seconds"] == "600"
    gate.opened.set()
    _, run = await rota.ended(name, 2)
    task = agent.begun[-1]
    at = "2026-11-23T08:01:00Z"
    assert task.prompt == f"t schedule {at} {at} trains {run.name}"
    assert task.time_zone == "Asia/Tokyo"
    assert run.trigger == f"{name}/triggers/t"


async def _has_runs(rota: Running, name: str, count: int) -> bool:
    return len(await rota.runs(name)) >= count
