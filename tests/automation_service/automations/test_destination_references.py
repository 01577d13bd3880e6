"""A plan is saved if its author can deliver to each destination that it names, and to no other."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence.outbox import destinations as rows
from shared import errors
from tests.automation_service.runs.steps.test_deliveries import tell
from tests.automation_service.runs.test_executor import plan, step
from tests.support.calls.destinations import create, delete, ntfy
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import SETTINGS
from tests.support.database.statements import see_statements
from tests.support.system.automation import Running, execute, message

OTHER = "workspaces/v/destinations/place"
TO = "automation.definition.plan[1].config.to"
GONE = "there is no such destination that this automation may deliver to"


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return SETTINGS


def place(tenant: Running, name: str = "place") -> str:
    return f"{tenant.parent}/destinations/{name}"


def telling(*to: str, **fields: Any) -> dict[str, Any]:
    said = plan(step("news"), tell(*to))
    said["definition"] |= fields
    return said


def changing(name: str, said: dict[str, Any], **fields: Any) -> pb.UpdateAutomationRequest:
    automation = message(said)
    automation.name = name
    mask = FieldMask(paths=["definition"])
    return pb.UpdateAutomationRequest(automation=automation, update_mask=mask, **fields)


def found_in(refused: errors.RotaError) -> list[tuple[str, str]]:
    assert (refused.code, refused.reason) == (errors.Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    return [(one.field, one.reason) for one in refused.violations]


def faults(*places: str) -> list[tuple[str, str]]:
    return [(place, "UNKNOWN_DESTINATION") for place in places]


async def authors(tenant: Running, name: str) -> list[str]:
    """Of each revision of an automation."""
    listed = await execute(
        tenant.url,
        "select author_id from automation_revisions where automation_id ="
        " (select id from automations where resource_id = $1) order by revision",
        name.rpartition("/")[2],
    )
    return [row["author_id"] for row in listed]


async def test_each_way_to_save_refuses_what_its_author_cannot_deliver_to(tenant: Running) -> None:
    await create(tenant, destination_id="place", user="bob", personal=True)
    said = telling("inbox", place(tenant), place(tenant, "none"), OTHER)
    at = faults(f"{TO}[1]", f"{TO}[2]", f"{TO}[3]")
    name = (await tenant.create(telling("inbox"))).name
    for validate_only in (True, False):
        refused = await refusal(tenant.create(said, validate_only=validate_only))
        assert found_in(refused) == at
        assert {one.description for one in refused.violations} == {GONE}
        request = changing(name, said, validate_only=validate_only)
        assert found_in(await refusal(tenant.call("UpdateAutomation", request))) == at
    late = plan(step("news"), on_failure=[tell(place(tenant, "none"), step_id="failed")])
    assert found_in(await refusal(tenant.create(late))) == faults(
        "automation.definition.execution.on_failure[0].config.to[0]"
    )
    assert (await tenant.get(name)).revision == 1
    bob = tenant.headers("bob", "editor")
    his = pb.CreateAutomationRequest(
        parent=tenant.parent, automation=message(telling("inbox", place(tenant)))
    )
    assert (await tenant.call("CreateAutomation", his, headers=bob)).name


async def test_who_edits_another_s_delivery_keeps_its_author_or_is_refused(tenant: Running) -> None:
    """A personal destination is its owner's alone, and what adds no work is open to editors."""
    await create(tenant, destination_id="place", personal=True)
    made = await tenant.create(telling(place(tenant)))
    name = made.name
    bob = tenant.headers("bob", "editor")
    await tenant.call(
        "UpdateAutomation", changing(name, plan(step("news", "new"), tell(place(tenant))))
    )
    # A version of hers comes back as hers, and a trial of it says so.
    back = pb.RollbackAutomationRequest(name=name, revision=1, validate_only=True)
    tried = await tenant.call("RollbackAutomation", back, headers=bob)
    assert (tried.definition.plan, (await tenant.get(name)).revision) == (made.definition.plan, 2)
    back.validate_only = False
    await tenant.call("RollbackAutomation", back, headers=bob)
    more = changing(name, plan(step("news", "more"), tell(place(tenant))))
    refused = await refusal(tenant.call("UpdateAutomation", more, headers=bob))
    assert found_in(refused) == faults(f"{TO}[0]")
    same = changing(name, telling(place(tenant), goal="To know."))
    await tenant.call("UpdateAutomation", same, headers=bob)
    # Whose automation delivers there no more has nothing of hers.
    await tenant.call("UpdateAutomation", changing(name, telling("inbox")), headers=bob)
    for back.validate_only in (True, False):
        refused = await refusal(tenant.call("RollbackAutomation", back, headers=bob))
        assert found_in(refused) == faults(f"{TO}[0]")
    await tenant.call("RollbackAutomation", back)
    assert await authors(tenant, name) == ["ada"] * 4 + ["bob", "ada"]


async def test_another_s_delivery_can_be_stopped_when_its_place_and_its_author_are_gone(
    tenant: Running,
) -> None:
    await create(tenant, destination_id="place", personal=True)
    name = (await tenant.create(telling(place(tenant)))).name
    await delete(tenant, place(tenant))
    revoke = "update memberships set revoked_time = now() where workspace_id = $1"
    await execute(tenant.url, f"{revoke} and user_id = 'ada'", tenant.workspace)
    stopped = telling(place(tenant))
    stopped["definition"]["triggers"][0]["enabled"] = False
    bob = tenant.headers("bob", "editor")
    saved = await tenant.call("UpdateAutomation", changing(name, stopped), headers=bob)
    assert saved.revision == 2
    assert await authors(tenant, name) == ["ada", "ada"]


async def test_automations_are_listed_by_where_they_deliver_to(tenant: Running) -> None:
    for name in ("place", "other"):
        await create(tenant, destination_id=name)
    other = place(tenant, "other")
    late = plan(step("news"), on_failure=[tell(place(tenant))])
    inbox, both, failed = [
        (await tenant.create(said)).name
        for said in (telling("inbox"), telling(place(tenant), other), late)
    ]

    async def listed(filter_: str) -> set[str]:
        request = pb.ListAutomationsRequest(parent=tenant.parent, filter=filter_)
        return {one.name for one in (await tenant.call("ListAutomations", request)).automations}

    assert await listed(f"destination = {place(tenant)}") == {both, failed}
    assert await listed(f'destination = "{other}" AND state = ACTIVE') == {both}
    assert await listed(f"destination != {place(tenant)}") == {inbox}
    assert await listed("destination = inbox") == {inbox}
    assert await listed(f"destination = {place(tenant, 'none')}") == set()
    refused = await refusal(listed("destination = phone"))
    assert [one.field for one in refused.violations] == ["filter"]


async def test_a_thread_waits_for_chat_service_and_a_destination_does_not(tenant: Running) -> None:
    """Nothing listens at the address of chat_service."""
    await create(tenant, destination_id="place")
    refused = await refusal(tenant.create(telling(place(tenant), f"{tenant.parent}/threads/t")))
    assert (refused.code, refused.reason) == (errors.Code.UNAVAILABLE, "PEER_UNAVAILABLE")
    assert (await tenant.create(telling(place(tenant)))).name


@pytest.mark.parametrize("late", [False, True])
async def test_what_reaches_nobody_is_saved_with_a_note(tenant: Running, late: bool) -> None:
    made = await create(tenant, destination_id="place", display_name="Phone", ntfy=ntfy())
    step_ = tell(place(tenant))
    said = plan(step("news"), on_failure=[step_]) if late else plan(step("news"), step_)
    name = (await tenant.create(said)).name
    other = (await tenant.create(telling("inbox"))).name
    assert list((await tenant.get(name)).notes) == []
    async with tenant.service.db.begin() as connection:
        found = await rows.find(connection, tenant.workspace, "place")
        assert found is not None
        paused = {"state": "paused", "pause_reason": "It answered 410."}
        await rows.update_columns(connection, found.id, paused)
    note = "Nothing reaches Phone: it is paused and takes no results: It answered 410."
    assert list((await tenant.get(name)).notes) == [note]
    again = await tenant.create(said)  # it may be saved
    request = pb.ListAutomationsRequest(parent=tenant.parent)
    async with see_statements(tenant.service.db) as seen:
        listed = (await tenant.call("ListAutomations", request)).automations
    found_notes = {one.name: list(one.notes) for one in listed}
    assert found_notes == {again.name: [note], name: [note], other: []}
    assert len([one for one in seen if "FROM automation.destinations" in one]) <= 1
    await delete(tenant, made.name)
    assert list((await tenant.get(name)).notes) == [
        f"Nothing reaches the destination place: {GONE}."
    ]
    assert found_in(await refusal(tenant.create(said)))[0][1] == "UNKNOWN_DESTINATION"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("paused", "it is paused and takes no results"),
        ("unverified", "it takes no results until its address is verified"),
    ],
)
async def test_a_note_on_a_personal_destination_shows_no_reader_its_address(
    tenant: Running, state: str, said: str
) -> None:
    await create(tenant, destination_id="place", personal=True, display_name="ada@example.org")
    name = (await tenant.create(telling(place(tenant)))).name
    update = "update destinations set state = $1, pause_reason = 'no mailbox ada@example.org'"
    await execute(tenant.url, f"{update} where workspace_id = $2", state, tenant.workspace)
    eve = tenant.headers("eve", "viewer")
    request = pb.GetAutomationRequest(name=name)
    for headers in (None, eve):
        seen = await tenant.call("GetAutomation", request, headers=headers)
        assert list(seen.notes) == [f"Nothing reaches a personal destination (place): {said}."]
