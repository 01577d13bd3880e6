"""Reading automations, registries and schedules; and that nobody reads another's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.errors import Code
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import NoCatalogue
from tests.support.system.automation import (
    START,
    Running,
    execute,
    new_request_id,
    news,
    running,
    schedule,
    until,
)

GONE = "workspaces/w/automations/gone"
RUN = f"{GONE}/runs/0190a0a0-0000-7000-8000-000000000000"


def config(**said: Any) -> Struct:
    found = Struct()
    found.update(said)
    return found


async def test_a_list_is_newest_first_in_pages_and_without_definitions(
    rota: Running, clock: ManualClock
) -> None:
    names: list[str] = []
    for _ in range(3):
        clock.advance(timedelta(milliseconds=1))
        names.insert(0, (await rota.create(news(triggers=[]))).name)
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListAutomationsRequest(parent="workspaces/w", page_size=2, page_token=token)
        page = await rota.call("ListAutomations", request)
        assert not any(a.HasField("definition") for a in page.automations)
        seen += [a.name for a in page.automations]
        if not (token := page.next_page_token):
            break
    assert seen == names


async def test_lists_of_large_automations_and_runs_reach_a_client_as_it_comes(
    rota: Running, clock: ManualClock
) -> None:
    inputs = {"topic": "x" * 200_000, "count": 1}
    trigger = {**schedule("* * * * *"), "static_inputs": inputs}
    names = [(await rota.create(news(triggers=[trigger]))).name for _ in range(22)]
    listed = await rota.call("ListAutomations", pb.ListAutomationsRequest(parent="workspaces/w"))
    assert {a.name for a in listed.automations} == set(names)
    assert not listed.next_page_token
    for automation in listed.automations:
        (shown,) = automation.triggers
        assert shown.config["cron"] == "* * * * *"
        assert not shown.HasField("static_inputs")
    got = await rota.call("GetAutomation", pb.GetAutomationRequest(name=names[0]))
    assert len(got.triggers[0].static_inputs["topic"]) == 200_000

    clock.advance(timedelta(minutes=1))

    async def ran() -> Any:
        page = await rota.call("ListRuns", pb.ListRunsRequest(parent="workspaces/w/automations/-"))
        return page.runs if len(page.runs) == len(names) else None

    runs = await until(ran)
    assert not any(run.HasField("inputs") for run in runs)
    run = await rota.call("GetRun", pb.GetRunRequest(name=runs[0].name))
    assert len(run.inputs["topic"]) == 200_000


async def test_a_list_goes_by_key_when_what_it_lists_changes(tenant: Running) -> None:
    triggers = [{**schedule(), "trigger_id": name} for name in "abcde"]
    name = (await tenant.create(news(triggers=triggers))).name
    request = pb.ListTriggersRequest(parent=name, page_size=2)
    first = await tenant.call("ListTriggers", request)
    assert [t.trigger_id for t in first.triggers] == ["a", "b"]
    await tenant.call("DeleteTrigger", pb.DeleteTriggerRequest(name=f"{name}/triggers/a"))
    request.page_token = first.next_page_token
    second = await tenant.call("ListTriggers", request)
    assert [t.trigger_id for t in second.triggers] == ["c", "d"]


async def test_a_list_can_be_filtered(tenant: Running) -> None:
    active, paused = await tenant.create(), await tenant.create()
    await tenant.call("PauseAutomation", pb.PauseAutomationRequest(name=paused.name))
    for text, expected in (
        ("state = ACTIVE", [active.name]),
        ("state = PAUSED", [paused.name]),
        (f'create_time > "{(START + timedelta(days=1)).isoformat()}"', []),
    ):
        request = pb.ListAutomationsRequest(parent=tenant.parent, filter=text)
        page = await tenant.call("ListAutomations", request)
        assert [a.name for a in page.automations] == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"page_size": -1},
        {"page_token": "nonsense"},
        {"filter": "state = SLEEPING"},
        {"filter": "goal = x"},
        {"filter": "create_time > yesterday"},
    ],
)
async def test_a_list_that_makes_no_sense_is_refused(
    tenant: Running, fields: dict[str, Any]
) -> None:
    request = pb.ListAutomationsRequest(parent=tenant.parent, **fields)
    found = await refusal(tenant.call("ListAutomations", request))
    assert (found.code, found.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


READS = [
    ("GetAutomation", pb.GetAutomationRequest(name=GONE)),
    ("PauseAutomation", pb.PauseAutomationRequest(name=GONE)),
    ("ResumeAutomation", pb.ResumeAutomationRequest(name=GONE)),
    ("ArchiveAutomation", pb.ArchiveAutomationRequest(name=GONE)),
    ("DeleteAutomation", pb.DeleteAutomationRequest(name=GONE)),
    ("RollbackAutomation", pb.RollbackAutomationRequest(name=GONE, revision=1)),
    ("ListTriggers", pb.ListTriggersRequest(parent=GONE)),
    ("GetTrigger", pb.GetTriggerRequest(name=f"{GONE}/triggers/t")),
    ("DeleteTrigger", pb.DeleteTriggerRequest(name=f"{GONE}/triggers/t")),
    ("ListRevisions", pb.ListRevisionsRequest(parent=GONE)),
    ("GetRevision", pb.GetRevisionRequest(name=f"{GONE}/revisions/1")),
    ("ListSlots", pb.ListSlotsRequest(parent=GONE)),
    ("ListRuns", pb.ListRunsRequest(parent=GONE)),
    ("GetRun", pb.GetRunRequest(name=RUN)),
    ("CancelRun", pb.CancelRunRequest(name=RUN)),
    ("GetRun", pb.GetRunRequest(name=f"{GONE}/runs/not-an-id")),
]


def within(tenant: Running, request: Any) -> Any:
    """The request about the same resource in the tenant's workspace."""
    made = type(request)()
    made.CopyFrom(request)
    field = "name" if hasattr(made, "name") else "parent"
    setattr(made, field, getattr(made, field).replace("workspaces/w", tenant.parent))
    return made


@pytest.mark.parametrize(("rpc", "request_"), READS, ids=[rpc for rpc, _ in READS])
async def test_what_does_not_exist_is_not_found(tenant: Running, rpc: str, request_: Any) -> None:
    found = await refusal(tenant.call(rpc, within(tenant, request_)))
    assert (found.code, found.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(("rpc", "request_"), READS, ids=[rpc for rpc, _ in READS])
async def test_a_stranger_hears_the_same_as_of_nothing(
    tenant: Running, rpc: str, request_: Any
) -> None:
    await tenant.create(automation_id="gone")
    headers = tenant.keys.user_headers("eve", workspaces={"other": "owner"})
    request = within(tenant, request_)
    found = await refusal(tenant.call(rpc, request, headers=headers))
    assert (found.code, found.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
    said = getattr(request, "name", "") or request.parent
    assert found.metadata == {"resource": said}


async def test_a_revoked_member_does_not_find_the_workspace(tenant: Running) -> None:
    created = await tenant.create()
    revoke = "update memberships set revoked_time = now() where workspace_id = $1"
    await execute(tenant.url, revoke, tenant.workspace)
    found = await refusal(tenant.get(created.name))
    assert (found.code, found.metadata) == (Code.NOT_FOUND, {"resource": created.name})


async def test_a_preview_names_the_slots_with_their_offsets(tenant: Running) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent,
        config=config(cron="0 9 * * 1-5", timezone="Europe/Paris"),
        count=3,
    )
    found = await tenant.call("PreviewSchedule", request)
    assert [s.local_time for s in found.slots] == [
        "2026-11-23T09:00",
        "2026-11-24T09:00",
        "2026-11-25T09:00",
    ]
    assert found.slots[0].utc_offset == Duration(seconds=3600)
    assert found.summary
    assert found.slots[0].fire_time.seconds == int((START + timedelta(seconds=30)).timestamp())


async def test_a_preview_ends_where_the_schedule_does(tenant: Running) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent,
        config=config(cron="30 2 * 3 *", timezone="Europe/Paris", on_gap="skip", max_fires=28),
        start_time=Timestamp(seconds=int(datetime(2027, 2, 28, tzinfo=UTC).timestamp())),
        count=50,
    )
    found = await tenant.call("PreviewSchedule", request)
    assert len(found.slots) == 29
    assert [s.local_time for s in found.slots if s.skipped] == ["2027-03-28T02:30"]
    assert any("at most 28 times" in note for note in found.notes)


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (
            {"cron": "30 2 * 3 0L", "on_gap": "skip"},
            "It never fires: a clock change skips every time that its schedule names.",
        ),
        ({"at": "2020-01-01T09:00"}, "It never fires: its schedule names no time after 2026-11-23"),
        (
            {"cron": "0 9 * * *", "end_time": "2020-01-01T09:00:00Z"},
            "It never fires: its schedule names no time after 2026-11-23",
        ),
    ],
    ids=str,
)
async def test_a_preview_of_what_never_fires_says_so(
    tenant: Running, said: dict[str, Any], note: str
) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent, config=config(timezone="Europe/Paris", **said)
    )
    found = await tenant.call("PreviewSchedule", request)
    assert all(slot.skipped for slot in found.slots)
    assert any(one.startswith(note) for one in found.notes)


async def test_a_preview_says_what_it_cuts(tenant: Running) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent, config=config(cron="0 9 * * *", timezone="UTC"), count=2_000
    )
    found = await tenant.call("PreviewSchedule", request)
    assert len(found.slots) == 100
    assert list(found.notes) == [
        "Of 2000 slots that were asked for, at most the first 100 are given."
    ]


async def test_a_preview_of_a_spelling_from_elsewhere_says_what_works(tenant: Running) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent, config=config(cron="0 0 9 ? * MON-FRI", timezone="europe/paris")
    )
    found = await refusal(tenant.call("PreviewSchedule", request))
    said = {one.field: one.description for one in found.violations}
    assert "write '0 9 * * MON-FRI'" in said["config.cron"]
    assert "write Europe/Paris" in said["config.timezone"]


async def test_a_preview_of_a_bad_schedule_names_the_field(tenant: Running) -> None:
    request = pb.PreviewScheduleRequest(
        parent=tenant.parent, config=config(cron="0 0 30 2 *", timezone="UTC")
    )
    found = await refusal(tenant.call("PreviewSchedule", request))
    assert [v.field for v in found.violations] == ["config.cron"]


async def test_the_registries_are_listed_with_schemas(tenant: Running) -> None:
    actions = await tenant.call("ListActionTypes", pb.ListActionTypesRequest(parent=tenant.parent))
    assert [a.type for a in actions.action_types] == ["agent_task", "deliver"]
    assert "prompt" in actions.action_types[0].config_schema["properties"]
    triggers = await tenant.call(
        "ListTriggerTypes", pb.ListTriggerTypesRequest(parent=tenant.parent)
    )
    assert [t.type for t in triggers.trigger_types] == ["schedule"]
    assert "scheduled_for" in triggers.trigger_types[0].payload_schema["properties"]


async def test_the_last_good_catalogue_is_served_while_chat_service_is_away(
    rota: Running, keys: Keys
) -> None:
    request = pb.ListCapabilitiesRequest(parent="workspaces/w", page_size=1)
    first = await rota.call("ListCapabilities", request)
    assert [c.id for c in first.capabilities] == ["fetch_url"]
    async with running(rota.url, keys, source=NoCatalogue()) as later:
        request = pb.ListCapabilitiesRequest(parent="workspaces/w")
        found = await later.call("ListCapabilities", request)
        assert [c.id for c in found.capabilities] == ["fetch_url", "now"]


async def test_a_request_id_must_be_a_uuid(tenant: Running) -> None:
    found = await refusal(tenant.create(request_id="again"))
    assert [v.field for v in found.violations] == ["request_id"]
    assert await tenant.create(request_id=new_request_id())
