"""Writers at once lose nothing, and readers see whole pages."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.errors import Code
from tests.support.calls.refusals import refusal
from tests.support.system.automation import START, Running, execute, news, schedule

FIRST = START + timedelta(seconds=30)


def updating(found: Any, *, etag: str = "", **fields: str) -> pb.UpdateAutomationRequest:
    values: Any = fields
    changed = pb.Automation(name=found.name, etag=etag, **values)
    return pb.UpdateAutomationRequest(automation=changed, update_mask=FieldMask(paths=list(fields)))


async def test_of_writers_with_one_etag_one_wins(rota: Running) -> None:
    made = await rota.create()
    calls = [
        rota.call("UpdateAutomation", updating(made, etag=made.etag, description=f"d{n}"))
        for n in range(8)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    [won] = [a for a in answers if not isinstance(a, BaseException)]
    lost = [a for a in answers if isinstance(a, grpc.aio.AioRpcError)]
    assert {error.code() for error in lost} == {grpc.StatusCode.ABORTED}
    assert (await rota.get(made.name)).description == won.description
    late = await refusal(
        rota.call("UpdateAutomation", updating(made, etag=made.etag, description="late"))
    )
    assert (late.code, late.reason) == (Code.ABORTED, "ETAG_MISMATCH")


async def test_writers_of_different_fields_without_an_etag_both_count(rota: Running) -> None:
    made = await rota.create()
    for number in range(5):
        said = [{"description": f"d{number}"}, {"display_name": f"n{number}"}]
        await asyncio.gather(
            *(rota.call("UpdateAutomation", updating(made, **fields)) for fields in said)
        )
        found = await rota.get(made.name)
        assert (found.description, found.display_name) == (f"d{number}", f"n{number}")


async def test_triggers_added_at_once_are_all_there_and_each_is_a_revision(rota: Running) -> None:
    made = await rota.create()
    ids = [f"t{n}" for n in range(6)]
    struct = made.definition.triggers[0]
    calls = [
        pb.CreateTriggerRequest(
            parent=made.name,
            trigger_id=trigger_id,
            trigger=pb.Trigger(
                type="schedule", config=struct.config, static_inputs=struct.static_inputs
            ),
        )
        for trigger_id in ids
    ]
    await asyncio.gather(*(rota.call("CreateTrigger", request) for request in calls))
    found = await rota.get(made.name)
    assert {t.trigger_id for t in found.triggers} == {"mornings", *ids}
    assert found.revision == 7
    revisions = await rota.call("ListRevisions", pb.ListRevisionsRequest(parent=made.name))
    assert [r.revision for r in revisions.revisions] == list(range(7, 0, -1))


async def test_a_change_of_state_and_an_edit_at_once_both_count(rota: Running) -> None:
    made = await rota.create()
    pause = rota.call("PauseAutomation", pb.PauseAutomationRequest(name=made.name, note="n"))
    edit = rota.call("UpdateAutomation", updating(made, description="edited"))
    await asyncio.gather(pause, edit)
    found = await rota.get(made.name)
    assert (found.state, found.description) == (pb.Automation.PAUSED, "edited")


async def test_a_list_pages_stably_while_others_write(rota: Running, clock: ManualClock) -> None:
    made = []
    for _ in range(9):
        clock.advance(timedelta(milliseconds=1))
        made.append((await rota.create()).name)
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListAutomationsRequest(parent="workspaces/w", page_size=2, page_token=token)
        answer = await rota.call("ListAutomations", request)
        seen += [a.name for a in answer.automations]
        token = answer.next_page_token
        if not token:
            break
        clock.advance(timedelta(milliseconds=1))
        await rota.create()  # newer: before what was read
        await rota.call("PauseAutomation", pb.PauseAutomationRequest(name=seen[-1]))
    assert seen == made[::-1]


async def test_deleting_one_leaves_the_runs_of_others(rota: Running, clock: ManualClock) -> None:
    kept, gone = [(await rota.create(news(triggers=[schedule()]))).name for _ in range(2)]
    clock.set(FIRST)
    await rota.ended(kept)
    await rota.ended(gone)
    before = await rota.run((await rota.runs(kept))[0].name)
    await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=gone))
    assert await rota.run(before.name) == before
    assert len(await rota.slots(kept)) == 1
    rows = await execute(
        rota.url,
        "select (select count(*) from automation_runs) as runs, (select count(*) from"
        " automation_slots) as slots, (select count(distinct run_id) from run_events) as told",
    )
    assert dict(rows[0]) == {"runs": 1, "slots": 1, "told": 1}
