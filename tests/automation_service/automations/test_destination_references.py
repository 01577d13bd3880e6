"""A plan is saved if its author can deliver to each destination that it names, and to no other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence.outbox import destinations as rows
from shared import errors
from shared.clock import ManualClock
from tests.automation_service.runs.test_executor import plan, step
from tests.automation_service.runs.test_step_deliveries import tell
from tests.support.automation import START, Running, execute, message, running
from tests.support.destinations import create, delete, ntfy
from tests.support.refusals import refusal
from tests.support.statements import see_statements
from tests.support.tokens import Keys
from tests.support.webhooks import SETTINGS

PLACE = "workspaces/w/destinations/place"
NONE = "workspaces/w/destinations/none"
OTHER = "workspaces/v/destinations/place"
TO = "automation.definition.plan[1].config.to"
GONE = "there is no such destination that this automation may deliver to"


@pytest.fixture
async def rota(url: str, keys: Keys) -> AsyncIterator[Running]:
    """The calls alone: nothing fires."""
    async with running(url, keys, clock=ManualClock(START), roles="api", **SETTINGS) as service:
        yield service


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


async def test_each_way_to_save_refuses_what_its_author_cannot_deliver_to(
    rota: Running, keys: Keys
) -> None:
    await create(rota, destination_id="place", user="bob", personal=True)
    said = telling("inbox", PLACE, NONE, OTHER)
    at = faults(f"{TO}[1]", f"{TO}[2]", f"{TO}[3]")
    name = (await rota.create(telling("inbox"))).name
    for validate_only in (True, False):
        refused = await refusal(rota.create(said, validate_only=validate_only))
        assert found_in(refused) == at
        assert {one.description for one in refused.violations} == {GONE}
        request = changing(name, said, validate_only=validate_only)
        assert found_in(await refusal(rota.call("UpdateAutomation", request))) == at
    late = plan(step("news"), on_failure=[tell(NONE, step_id="failed")])
    assert found_in(await refusal(rota.create(late))) == faults(
        "automation.definition.execution.on_failure[0].config.to[0]"
    )
    assert (await rota.get(name)).revision == 1
    bob = keys.user_headers("bob", workspaces={"w": "editor"})
    his = pb.CreateAutomationRequest(
        parent="workspaces/w", automation=message(telling("inbox", PLACE))
    )
    assert (await rota.call("CreateAutomation", his, headers=bob)).name


async def test_who_edits_another_s_delivery_keeps_its_author_or_is_refused(
    rota: Running, keys: Keys
) -> None:
    """A personal destination is its owner's alone, and what adds no work is open to editors."""
    await create(rota, destination_id="place", personal=True)
    made = await rota.create(telling(PLACE))
    name = made.name
    bob = keys.user_headers("bob", workspaces={"w": "editor"})
    await rota.call("UpdateAutomation", changing(name, plan(step("news", "new"), tell(PLACE))))
    # A version of hers comes back as hers, and a trial of it says so.
    back = pb.RollbackAutomationRequest(name=name, revision=1, validate_only=True)
    tried = await rota.call("RollbackAutomation", back, headers=bob)
    assert (tried.definition.plan, (await rota.get(name)).revision) == (made.definition.plan, 2)
    back.validate_only = False
    await rota.call("RollbackAutomation", back, headers=bob)
    more = changing(name, plan(step("news", "more"), tell(PLACE)))
    refused = await refusal(rota.call("UpdateAutomation", more, headers=bob))
    assert found_in(refused) == faults(f"{TO}[0]")
    same = changing(name, telling(PLACE, goal="To know."))
    await rota.call("UpdateAutomation", same, headers=bob)
    # Whose automation delivers there no more has nothing of hers.
    await rota.call("UpdateAutomation", changing(name, telling("inbox")), headers=bob)
    for back.validate_only in (True, False):
        refused = await refusal(rota.call("RollbackAutomation", back, headers=bob))
        assert found_in(refused) == faults(f"{TO}[0]")
    await rota.call("RollbackAutomation", back)
    listed = await execute(rota.url, "select author_id from automation_revisions order by revision")
    assert [row["author_id"] for row in listed] == ["ada"] * 4 + ["bob", "ada"]


async def test_another_s_delivery_can_be_stopped_when_its_place_and_its_author_are_gone(
    rota: Running, keys: Keys
) -> None:
    await create(rota, destination_id="place", personal=True)
    name = (await rota.create(telling(PLACE))).name
    await delete(rota, PLACE)
    await execute(rota.url, "update memberships set revoked_time = now() where user_id = 'ada'")
    stopped = telling(PLACE)
    stopped["definition"]["triggers"][0]["enabled"] = False
    bob = keys.user_headers("bob", workspaces={"w": "editor"})
    saved = await rota.call("UpdateAutomation", changing(name, stopped), headers=bob)
    assert saved.revision == 2
    listed = await execute(rota.url, "select author_id from automation_revisions order by revision")
    assert [row["author_id"] for row in listed] == ["ada", "ada"]


async def test_automations_are_listed_by_where_they_deliver_to(rota: Running) -> None:
    for name in ("place", "other"):
        await create(rota, destination_id=name)
    other = PLACE.replace("place", "other")
    late = plan(step("news"), on_failure=[tell(PLACE)])
    inbox, both, failed = [
        (await rota.create(said)).name for said in (telling("inbox"), telling(PLACE, other), late)
    ]

    async def listed(filter_: str) -> set[str]:
        request = pb.ListAutomationsRequest(parent="workspaces/w", filter=filter_)
        return {one.name for one in (await rota.call("ListAutomations", request)).automations}

    assert await listed(f"destination = {PLACE}") == {both, failed}
    assert await listed(f'destination = "{other}" AND state = ACTIVE') == {both}
    assert await listed(f"destination != {PLACE}") == {inbox}
    assert await listed("destination = inbox") == {inbox}
    assert await listed(f"destination = {NONE}") == set()
    refused = await refusal(listed("destination = phone"))
    assert [one.field for one in refused.violations] == ["filter"]


async def test_a_thread_waits_for_chat_service_and_a_destination_does_not(rota: Running) -> None:
    """Nothing listens at the address of chat_service."""
    await create(rota, destination_id="place")
    refused = await refusal(rota.create(telling(PLACE, "workspaces/w/threads/t")))
    assert (refused.code, refused.reason) == (errors.Code.UNAVAILABLE, "PEER_UNAVAILABLE")
    assert (await rota.create(telling(PLACE))).name


@pytest.mark.parametrize("late", [False, True])
async def test_what_reaches_nobody_is_saved_with_a_note(rota: Running, late: bool) -> None:
    made = await create(rota, destination_id="place", display_name="Phone", ntfy=ntfy())
    step_ = tell(PLACE)
    said = plan(step("news"), on_failure=[step_]) if late else plan(step("news"), step_)
    name = (await rota.create(said)).name
    other = (await rota.create(telling("inbox"))).name
    assert list((await rota.get(name)).notes) == []
    async with rota.service.db.begin() as connection:
        found = await rows.find(connection, "w", "place")
        assert found is not None
        paused = {"state": "paused", "pause_reason": "It answered 410."}
        await rows.update_columns(connection, found.id, paused)
    note = "Nothing reaches Phone: it is paused and takes no results: It answered 410."
    assert list((await rota.get(name)).notes) == [note]
    again = await rota.create(said)  # it may be saved
    request = pb.ListAutomationsRequest(parent="workspaces/w")
    async with see_statements(rota.service.db) as seen:
        listed = (await rota.call("ListAutomations", request)).automations
    found_notes = {one.name: list(one.notes) for one in listed}
    assert found_notes == {again.name: [note], name: [note], other: []}
    assert len([one for one in seen if "FROM automation.destinations" in one]) <= 1
    await delete(rota, made.name)
    assert list((await rota.get(name)).notes) == [f"Nothing reaches the destination place: {GONE}."]
    assert found_in(await refusal(rota.create(said)))[0][1] == "UNKNOWN_DESTINATION"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("paused", "it is paused and takes no results"),
        ("unverified", "it takes no results until its address is verified"),
    ],
)
async def test_a_note_on_a_personal_destination_shows_no_reader_its_address(
    rota: Running, keys: Keys, state: str, said: str
) -> None:
    await create(rota, destination_id="place", personal=True, display_name="ada@example.org")
    name = (await rota.create(telling(PLACE))).name
    update = "update destinations set state = $1, pause_reason = 'no mailbox ada@example.org'"
    await execute(rota.url, update, state)
    eve = keys.user_headers("eve", workspaces={"w": "viewer"})
    request = pb.GetAutomationRequest(name=name)
    for headers in (None, eve):
        seen = await rota.call("GetAutomation", request, headers=headers)
        assert list(seen.notes) == [f"Nothing reaches a personal destination (place): {said}."]
