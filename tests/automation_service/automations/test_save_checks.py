"""A definition that takes long to check is checked outside of the transaction that saves it."""

import pytest
from google.protobuf import field_mask_pb2
from rota.automation.v1 import automation_pb2 as pb

from shared.json import json_schema
from shared.registries.catalogue import current_catalogue
from shared.validation.check_runner import check_quickly
from tests.support.calls.refusals import refusal
from tests.support.system.automation import NEWS, Running, message, new_request_id, news

SLOW = news(
    plan=[
        {
            "step_id": f"s{number}",
            "action": "agent_task",
            "config": {"prompt": "{{ inputs.topic | upper }}" * 30},
        }
        for number in range(20)
    ]
)


def _misspelled() -> dict[str, object]:
    plan = [
        {**step, "config": {"prompt": step["config"]["prompt"].replace("topic", "topik")}}
        for step in SLOW["definition"]["plan"]
    ]
    return news(plan=plan)


async def test_a_definition_that_is_slow_to_check_is_saved_and_edited(tenant: Running) -> None:
    with pytest.raises(json_schema.NotQuick):
        check_quickly(SLOW, current_catalogue())
    request_id = new_request_id()
    made = await tenant.create(SLOW, request_id=request_id)
    assert await tenant.create(SLOW, request_id=request_id) == made
    short = await tenant.create(NEWS)
    update = pb.UpdateAutomationRequest(
        automation=message(SLOW), update_mask=field_mask_pb2.FieldMask(paths=["definition"])
    )
    update.automation.name = short.name
    changed = await tenant.call("UpdateAutomation", update)
    assert changed.definition == made.definition


async def test_a_fault_of_a_slow_definition_is_told_as_of_any(tenant: Running) -> None:
    request = pb.CreateAutomationRequest(parent=tenant.parent, automation=message(_misspelled()))
    refused = await refusal(tenant.call("CreateAutomation", request))
    assert refused.reason == "INVALID_REQUEST"
    fields = {each.field for each in refused.violations}
    assert "automation.definition.plan[0].config.prompt" in fields
