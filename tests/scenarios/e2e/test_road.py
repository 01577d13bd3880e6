"""The whole road: a sentence, a card, an approval, a slot, a run."""

from datetime import UTC, datetime, timedelta

from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as pb
from rota.chat.v1 import chat_pb2

from devstack.demo_model import DemoServer
from shared.json import canonical_json
from shared.rpc.messages import struct
from tests.support.system.chat import approval_of, approve, edit, reject, until
from tests.support.system.pair import Pair

ASKED = "every weekday at 9 in Paris summarise the news"
# Nine o'clock in Paris on the Tuesday after the clock's Monday, which is 09:00 there already.
SLOT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


async def approved(road: Pair) -> tuple[chat_pb2.Approval, str]:
    """What was shown, and the automation that came of it."""
    approval = approval_of(await road.chat.send(ASKED))
    after = await road.chat.resume(approval.turn, approve(approval))
    assert after[-1].WhichOneof("event") == "completed"
    name = next(e.tool_call_finished.resource for e in after if e.HasField("tool_call_finished"))
    return approval, name


async def ended_runs(road: Pair, automation: str) -> list[pb.Run]:
    listed = await road.automations.ListRuns(
        pb.ListRunsRequest(parent=automation), metadata=road.metadata
    )
    return [run for run in listed.runs if run.HasField("end_time")]


async def slots(road: Pair, automation: str) -> list[pb.Slot]:
    listed = await road.automations.ListSlots(
        pb.ListSlotsRequest(parent=automation), metadata=road.metadata
    )
    return list(listed.slots)


async def test_a_sentence_becomes_a_run_at_its_minute(road: Pair) -> None:
    _, automation = await approved(road)
    assert await slots(road, automation) == []
    road.clock.set(SLOT + timedelta(milliseconds=5))

    async def ended() -> bool:
        return bool(await ended_runs(road, automation))

    await until(ended)
    (run,) = await ended_runs(road, automation)
    whole = await road.automations.GetRun(pb.GetRunRequest(name=run.name), metadata=road.metadata)
    assert whole.state == pb.Run.SUCCEEDED
    assert "[demo]" in whole.output.string_value
    assert whole.step_results[0].session_id
    (slot,) = await slots(road, automation)
    assert (slot.outcome, slot.run) == (pb.Slot.FIRED, run.name)
    assert slot.slot_time.ToDatetime(tzinfo=UTC) == SLOT


async def test_what_was_shown_is_what_is_saved_byte_for_byte(
    shared_road: Pair, demo: DemoServer
) -> None:
    approval, name = await approved(shared_road)
    automation = await shared_road.automations.GetAutomation(
        pb.GetAutomationRequest(name=name), metadata=shared_road.metadata
    )
    saved = {
        "display_name": automation.display_name,
        "description": automation.description,
        "definition": json_format.MessageToDict(
            automation.definition, preserving_proto_field_name=True
        ),
    }
    shown = struct.to_json(approval.payload)
    assert canonical_json.canonical_bytes(saved) == canonical_json.canonical_bytes(shown)
    assert canonical_json.digest(saved) == approval.payload_digest
    assert automation.creator == "users/ada"
    assert len(demo.controls.log("drafter")) == 1


async def test_what_was_previewed_is_when_it_fires(shared_road: Pair) -> None:
    approval, name = await approved(shared_road)
    automation = await shared_road.automations.GetAutomation(
        pb.GetAutomationRequest(name=name), metadata=shared_road.metadata
    )
    assert automation.triggers[0].next_fire_time == approval.preview.slots[0].fire_time
    assert approval.preview.slots[0].fire_time.ToDatetime(tzinfo=UTC) == SLOT


async def test_an_edited_card_is_saved_as_edited(shared_road: Pair) -> None:
    approval = approval_of(await shared_road.chat.send(ASKED))
    payload = struct.to_json(approval.payload)
    payload["definition"]["triggers"][0]["config"]["cron"] = "30 10 * * *"
    await shared_road.chat.resume(approval.turn, edit(approval, payload))
    listed = await shared_road.automations.ListAutomations(
        pb.ListAutomationsRequest(parent=shared_road.workspace), metadata=shared_road.metadata
    )
    (found,) = listed.automations
    assert found.triggers[0].config["cron"] == "30 10 * * *"


async def test_a_rejected_card_saves_nothing(shared_road: Pair) -> None:
    approval = approval_of(await shared_road.chat.send(ASKED))
    after = await shared_road.chat.resume(approval.turn, reject(approval, "later"))
    assert after[-1].WhichOneof("event") == "completed"
    listed = await shared_road.automations.ListAutomations(
        pb.ListAutomationsRequest(parent=shared_road.workspace), metadata=shared_road.metadata
    )
    assert not listed.automations
