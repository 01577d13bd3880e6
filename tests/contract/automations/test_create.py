"""CreateAutomation: what was said is what is kept, once."""

import asyncio
import copy
from datetime import UTC, timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb

from shared.errors import Code
from shared.json.canonical_json import canonical_bytes
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import NoCatalogue
from tests.support.system.automation import (
    NEWS,
    START,
    Running,
    execute,
    message,
    new_request_id,
    news,
    running,
    schedule,
)


def definition_json(found: pb.Automation) -> Any:
    return json_format.MessageToDict(found.definition, preserving_proto_field_name=True)


async def test_it_answers_with_the_saved_automation(tenant: Running) -> None:
    created = await tenant.create()
    assert created.name.startswith(f"{tenant.parent}/automations/")
    assert (created.state, created.revision, created.creator) == (
        pb.Automation.ACTIVE,
        1,
        "users/ada",
    )
    assert created.create_time.ToDatetime(tzinfo=UTC) == START
    assert created.etag
    assert await tenant.get(created.name) == created


async def test_defaults_are_filled_and_numbers_stay_whole(tenant: Running) -> None:
    kept = definition_json(await tenant.create())
    assert kept["execution"] == {
        "timeout_seconds": 600,
        "max_retries": 2,
        "retry_backoff": "exponential",
        "concurrency": "drop_if_running",
    }
    assert kept["triggers"][0]["enabled"] is True
    assert kept["metadata"]["room"] == {"number": 7}
    assert kept["triggers"][0]["static_inputs"] == {"topic": "trains", "count": 3}


async def test_what_is_read_and_sent_again_is_the_same_byte_for_byte(tenant: Running) -> None:
    first = await tenant.create()
    again = await tenant.create(
        {
            "display_name": first.display_name,
            "description": first.description,
            "definition": definition_json(first),
        }
    )
    assert canonical_bytes(definition_json(again)) == canonical_bytes(definition_json(first))
    [stored] = await execute(
        tenant.url,
        "select definition::text from automations where resource_id = $1",
        again.name.rpartition("/")[2],
    )
    assert "3.0" not in stored["definition"]


async def test_an_explicit_zero_is_kept(tenant: Running) -> None:
    kept = definition_json(await tenant.create(news(execution={"max_retries": 0})))
    assert kept["execution"]["max_retries"] == 0


async def test_validate_only_answers_with_the_next_fire_times_and_saves_nothing(
    tenant: Running,
) -> None:
    checked = await tenant.create(validate_only=True)
    assert checked.name == ""
    assert checked.triggers[0].next_fire_time.ToDatetime(tzinfo=UTC) == START + timedelta(
        seconds=30
    )
    saved = await tenant.create()
    assert checked.definition == saved.definition
    listed = await tenant.call("ListAutomations", pb.ListAutomationsRequest(parent=tenant.parent))
    assert [a.name for a in listed.automations] == [saved.name]


async def test_the_caller_may_choose_the_id_once(tenant: Running) -> None:
    created = await tenant.create(automation_id="morning-news")
    assert created.name == f"{tenant.parent}/automations/morning-news"
    for validate_only in (False, True):
        found = await refusal(
            tenant.create(automation_id="morning-news", validate_only=validate_only)
        )
        assert (found.code, found.reason) == (Code.ALREADY_EXISTS, "RESOURCE_EXISTS")


async def test_a_repeat_answers_with_the_automation_as_it_is_now(tenant: Running) -> None:
    request_id = new_request_id()
    first = await tenant.create(request_id=request_id)
    await tenant.call("PauseAutomation", pb.PauseAutomationRequest(name=first.name, note="later"))
    again = await tenant.create(request_id=request_id)
    assert (again.name, again.state) == (first.name, pb.Automation.PAUSED)


async def test_a_repeat_after_deletion_creates_nothing(tenant: Running) -> None:
    request_id = new_request_id()
    first = await tenant.create(request_id=request_id, automation_id="gone")
    await tenant.call("DeleteAutomation", pb.DeleteAutomationRequest(name=first.name))
    await tenant.create(automation_id="gone")
    found = await refusal(tenant.create(request_id=request_id, automation_id="gone"))
    assert (found.code, found.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert found.metadata["resource"] == first.name


async def test_another_body_under_the_same_request_id_is_refused(tenant: Running) -> None:
    request_id = new_request_id()
    await tenant.create(request_id=request_id)
    other = copy.deepcopy(NEWS)
    other["description"] = "Something else."
    found = await refusal(tenant.create(other, request_id=request_id))
    assert (found.code, found.reason) == (Code.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_equal_requests_at_once_make_one_automation(tenant: Running) -> None:
    request_id = new_request_id()
    made = await asyncio.gather(*(tenant.create(request_id=request_id) for _ in range(5)))
    assert len({a.name for a in made}) == 1
    count_all = "select count(*) as n from automations where workspace_id = $1"
    [count] = await execute(tenant.url, count_all, tenant.workspace)
    assert count["n"] == 1


async def test_a_service_creates_for_the_person_it_acts_for(tenant: Running) -> None:
    headers = tenant.keys.service_headers(
        "chat_service", audience="automation_service", user="bob", workspace=tenant.workspace
    )
    created = await tenant.call(
        "CreateAutomation",
        pb.CreateAutomationRequest(parent=tenant.parent, automation=message(NEWS)),
        headers=headers,
    )
    assert created.creator == "users/bob"


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({"plan": []}, "automation.definition.plan"),
        ({"triggers": [schedule("61 * * * *")]}, "automation.definition.triggers[0].config.cron"),
        (
            {"triggers": [schedule(zone="Europe")]},
            "automation.definition.triggers[0].config.timezone",
        ),
        (
            {"plan": [{"step_id": "a", "action": "agent_task", "config": {}}]},
            "automation.definition.plan[0].config.prompt",
        ),
        (
            {"plan": [{"step_id": "a", "action": "fly", "config": {}}]},
            "automation.definition.plan[0].action",
        ),
        (
            {
                "plan": [
                    {
                        "step_id": "a",
                        "action": "agent_task",
                        "config": {"prompt": "x", "tools": ["gone"]},
                    }
                ]
            },
            "automation.definition.plan[0].config.tools[0]",
        ),
        ({"name": "Another name"}, "automation.display_name"),
        (
            {"execution": {"retry_backoff": "never"}},
            "automation.definition.execution.retry_backoff",
        ),
    ],
)
async def test_what_is_invalid_is_named(
    tenant: Running, definition: dict[str, Any], field: str
) -> None:
    for validate_only in (True, False):
        found = await refusal(tenant.create(news(**definition), validate_only=validate_only))
        assert (found.code, found.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert [v.field for v in found.violations] == [field]


async def test_a_number_that_json_can_not_say_is_invalid(tenant: Running) -> None:
    said = message(NEWS)
    said.definition.metadata.fields["n"].number_value = float("nan")
    request = pb.CreateAutomationRequest(parent=tenant.parent, automation=said)
    found = await refusal(tenant.call("CreateAutomation", request))
    assert found.code is Code.INVALID_ARGUMENT


async def test_an_automation_without_a_definition_is_invalid(tenant: Running) -> None:
    found = await refusal(tenant.create({"display_name": "x"}))
    assert [v.field for v in found.violations] == ["automation.definition"]


async def test_a_viewer_may_not_create(tenant: Running) -> None:
    request = pb.CreateAutomationRequest(parent=tenant.parent, automation=message(NEWS))
    headers = tenant.headers("eve", "viewer")
    found = await refusal(tenant.call("CreateAutomation", request, headers=headers))
    assert (found.code, found.reason) == (Code.PERMISSION_DENIED, "PERMISSION_DENIED")


async def test_without_a_token_nothing_is_served(tenant: Running) -> None:
    request = pb.CreateAutomationRequest(parent=tenant.parent, automation=message(NEWS))
    found = await refusal(tenant.call("CreateAutomation", request, headers=[]))
    assert (found.code, found.reason) == (Code.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_while_no_catalogue_was_ever_fetched_tools_go_unchecked(url: str, keys: Keys) -> None:
    async with running(url, keys, source=NoCatalogue()) as alone:
        assert (await alone.create()).name
        request = pb.ListCapabilitiesRequest(parent="workspaces/w")
        found = await refusal(alone.call("ListCapabilities", request))
        assert (found.code, found.reason) == (Code.UNAVAILABLE, "PEER_UNAVAILABLE")
