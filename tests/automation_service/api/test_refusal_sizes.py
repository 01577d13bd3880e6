"""A client of gRPC's own core gets each refusal with its reason, however much is wrong."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import field_mask_pb2
from rota.automation.v1 import automation_pb2 as pb

from tests.support.calls.refusals import refusal
from tests.support.system.automation import Running, message, news, schedule

# gRPC refuses trailers that are somewhat too large at random.
TRIES = 15
LONG = "a" * 6000
NAMES = ("email", "postal", "billing", "delivery", "office", "home", "first", "second", "third")
INPUTS = {f"customer_{name}_address": {"type": "string"} for name in NAMES}


def step(number: int = 0, prompt: str = "do it", **config: Any) -> dict[str, Any]:
    config = {"prompt": prompt, **config}
    return {"step_id": f"step-{number}", "action": "agent_task", "config": config}


def prompts(*said: str) -> dict[str, Any]:
    plan = [step(number, each) for number, each in enumerate(said)]
    inputs = {"schema": {"type": "object", "properties": INPUTS}}
    return news(inputs=inputs, triggers=[], plan=plan)


def configured(**config: Any) -> dict[str, Any]:
    return news(triggers=[], plan=[step(**config)])


DEFINITIONS: Mapping[str, dict[str, Any]] = {
    "40 steps": prompts(*["Write to {{ inputs.customer_name }}."] * 40),
    "name of a step": prompts("{{ steps." + LONG + ".output }}"),
    "name of an input": prompts("{{ inputs." + LONG + " }}"),
    "name in another script": prompts("{{ inputs." + "é" * 2500 + " }}"),
    "name of a filter": prompts("{{ 1|" + LONG + " }}"),
    "key of a step": configured(**{"k" * 20_000: 1}),
    "2000 keys": configured(**{f"k{number}": 1 for number in range(2000)}),
    "tool": configured(tools=["t" * 20_000]),
    "1000 tools": configured(tools=[f"tool{number}" for number in range(1000)]),
    "key of a trigger": news(triggers=[schedule(**{"z" * 20_000: "1"})]),
    "name that is required": news(
        triggers=[schedule()], inputs={"schema": {"type": "object", "required": ["r" * 20_000]}}
    ),
}


@pytest.mark.parametrize("what", DEFINITIONS)
async def test_a_large_refusal_of_a_definition_has_its_reason(tenant: Running, what: str) -> None:
    request = pb.CreateAutomationRequest(
        parent=tenant.parent, automation=message(DEFINITIONS[what]), validate_only=True
    )
    await refused_each_time(tenant, "CreateAutomation", request)


async def test_a_large_refusal_of_another_call_has_its_reason(tenant: Running) -> None:
    preview = pb.PreviewScheduleRequest(parent=tenant.parent)
    preview.config.update({"timezone": "UTC", "cron": "0 9 * * *", "é" * 20_000: 1})
    await refused_each_time(tenant, "PreviewSchedule", preview)
    update = pb.UpdateAutomationRequest(
        automation=pb.Automation(name=f"{tenant.parent}/automations/x"),
        update_mask=field_mask_pb2.FieldMask(paths=["z" * 20_000]),
    )
    await refused_each_time(tenant, "UpdateAutomation", update)


async def refused_each_time(rota: Running, rpc: str, request: Any) -> None:
    found = await asyncio.gather(*[refusal(rota.call(rpc, request)) for _ in range(TRIES)])
    assert {(each.code.name, each.reason) for each in found} == {
        ("INVALID_ARGUMENT", "INVALID_REQUEST")
    }
    for each in found:
        listed = len(each.violations) + each.more_violations
        assert each.violations
        assert str(listed) == each.metadata["violations"]
