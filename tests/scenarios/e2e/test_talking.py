"""Changing by talking: what is said, the card, the decision, and what the other service holds."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from rota.automation.v1 import automation_pb2 as pb
from rota.chat.v1 import chat_pb2

from shared import errors
from shared.rpc.messages import struct
from tests.scenarios.e2e.test_road import SLOT, approved, slots
from tests.support.calls.refusals import refusal
from tests.support.system.chat import approval_of, approve, edit, kinds, reject, said, until
from tests.support.system.pair import Pair

HALF_PAST_TEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
async def news(road: Pair) -> str:
    _, name = await approved(road)
    return name


@pytest.fixture
async def shared_news(shared_road: Pair) -> str:
    _, name = await approved(shared_road)
    return name


async def card(road: Pair, text: str) -> chat_pb2.Approval:
    return approval_of(await road.chat.send(text))


async def automation(road: Pair, name: str) -> pb.Automation:
    found: pb.Automation = await road.automations.GetAutomation(
        pb.GetAutomationRequest(name=name), metadata=road.metadata
    )
    return found


def result(events: list[chat_pb2.TurnEvent]) -> chat_pb2.ToolCallFinished:
    return next(e.tool_call_finished for e in events if e.HasField("tool_call_finished"))


async def test_a_change_in_words_becomes_a_second_revision(
    shared_road: Pair, shared_news: str
) -> None:
    shown = await card(shared_road, "change summarise the news to 10:30")

    assert shown.action_type == "automation_update"
    context = struct.to_json(shown.context)
    assert context["difference"][0] == {
        "path": "definition.triggers[0].config.cron",
        "before": "0 9 * * 1-5",
        "after": "30 10 * * 1-5",
    }
    before, after = (context["fires"][side]["slots"][0] for side in ("before", "after"))
    assert before["fire_time"] == "2026-11-24T08:00:00Z"
    assert after["fire_time"] == "2026-11-23T09:30:00Z"
    assert (await automation(shared_road, shared_news)).revision == 1

    events = await shared_road.chat.resume(shown.turn, approve(shown))

    assert kinds(events)[-1] == "completed"
    assert (result(events).outcome, result(events).resource) == (
        chat_pb2.ToolCallFinished.OK,
        shared_news,
    )
    now = await automation(shared_road, shared_news)
    assert now.revision == 2
    assert now.triggers[0].next_fire_time.ToDatetime(tzinfo=UTC) == HALF_PAST_TEN
    assert struct.to_json(shown.payload)["display_name"] == now.display_name


async def test_what_changed_meanwhile_is_not_written_over(
    shared_road: Pair, shared_news: str
) -> None:
    shown = await card(shared_road, "change summarise the news to 10:30")
    await shared_road.automations.PauseAutomation(
        pb.PauseAutomationRequest(name=shared_news, note="by hand"), metadata=shared_road.metadata
    )

    events = await shared_road.chat.resume(shown.turn, approve(shown))

    assert result(events).outcome == chat_pb2.ToolCallFinished.ERROR
    output = struct.to_json(result(events).output)
    assert (output["status"], output["reason"]) == ("error", "conflict")
    assert "ask for it again" in said(events)
    assert (await automation(shared_road, shared_news)).revision == 1


async def test_an_edited_change_is_saved_as_edited(shared_road: Pair, shared_news: str) -> None:
    shown = await card(shared_road, "change summarise the news to 10:30")
    payload = struct.to_json(shown.payload)
    payload["definition"]["triggers"][0]["config"]["cron"] = "45 10 * * 1-5"

    events = await shared_road.chat.resume(shown.turn, edit(shown, payload))

    assert result(events).outcome == chat_pb2.ToolCallFinished.OK
    now = await automation(shared_road, shared_news)
    assert (now.revision, now.triggers[0].config["cron"]) == (2, "45 10 * * 1-5")


async def test_what_the_other_service_would_refuse_keeps_the_card_open(
    shared_road: Pair, shared_news: str
) -> None:
    shown = await card(shared_road, "change summarise the news to 10:30")
    payload = struct.to_json(shown.payload)
    payload["definition"]["triggers"][0]["config"]["cron"] = "never"
    request = chat_pb2.ResumeTurnRequest(
        name=shown.turn, decisions=[edit(shown, payload)], request_id=str(uuid4())
    )

    refused = await refusal(
        shared_road.chat.stub.ResumeTurn(request, metadata=shared_road.metadata)
    )

    field = "decisions[0].edit.payload.definition.triggers[0].config.cron"
    assert field in [v.field for v in refused.violations]
    await shared_road.chat.resume(shown.turn, approve(shown))
    assert (await automation(shared_road, shared_news)).revision == 2


async def test_pausing_and_resuming_by_talking(shared_road: Pair, shared_news: str) -> None:
    pause = await card(shared_road, "pause the news because I am on holiday")
    events = await shared_road.chat.resume(pause.turn, approve(pause))

    assert "is paused" in said(events)
    paused = await automation(shared_road, shared_news)
    assert (paused.state, paused.pause_note) == (pb.Automation.PAUSED, "I am on holiday")

    again = await card(shared_road, "resume the news")
    await shared_road.chat.resume(again.turn, reject(again, "not yet"))
    assert (await automation(shared_road, shared_news)).state == pb.Automation.PAUSED

    again = await card(shared_road, "resume the news")
    await shared_road.chat.resume(again.turn, approve(again))
    assert (await automation(shared_road, shared_news)).state == pb.Automation.ACTIVE


async def test_the_next_time_is_skipped_by_talking_and_a_late_card_stays_open(
    road: Pair, news: str
) -> None:
    shown = await card(road, "skip the next run of the news because nobody is in")
    assert struct.to_json(shown.context)["slot"] == "Tuesday, 2026-11-24 09:00 (Europe/Paris)"
    events = await road.chat.resume(shown.turn, approve(shown))

    assert "skips its next time" in said(events)
    [trigger] = (await automation(road, news)).triggers
    [skipped] = trigger.skipped_slots
    assert (skipped.local_time, skipped.note) == ("2026-11-24T09:00", "nobody is in")
    assert trigger.next_slot.local_time == "2026-11-25T09:00"

    shown = await card(road, "don't skip the news after all")
    assert shown.action_type == "automation_unskip"
    assert [slot.local_time for slot in shown.preview.slots] == ["2026-11-24T09:00"]
    events = await road.chat.resume(shown.turn, approve(shown))
    assert "runs then after all" in said(events)
    [trigger] = (await automation(road, news)).triggers
    assert (len(trigger.skipped_slots), trigger.next_slot.local_time) == (0, "2026-11-24T09:00")
    async with road.automation.db.connect() as connection:
        audited = await connection.exec_driver_sql(
            "select actor, decision from audit_events where action = 'UnskipSlot'"
        )
        [row] = audited.all()
    assert (row.actor, row.decision["approval"]) == ("ada", shown.name)
    again = result(await road.chat.send("don't skip the news after all"))
    assert "has no skipped time to come" in str(again.output)

    shown = await card(road, "skip the next run of the news")
    await road.chat.resume(shown.turn, approve(shown))
    late = await card(road, "don't skip the news after all")
    road.clock.set(SLOT)
    found = await refusal(road.chat.resume(late.turn, approve(late)))
    assert "slots: the time has come, so it stays skipped" in found.message

    late = await card(road, "skip the next run of the news")
    road.clock.set(SLOT + timedelta(days=1))
    found = await refusal(road.chat.resume(late.turn, approve(late)))
    assert "slot_time: the time to skip has come; ask again for the next" in found.message
    [trigger] = (await automation(road, news)).triggers
    assert "2026-11-25T09:00" not in {slot.local_time for slot in trigger.skipped_slots}


async def test_a_pause_by_talking_ends_at_the_moment_that_was_named(road: Pair, news: str) -> None:
    shown = await card(road, "pause the news until Thursday because of a move")
    assert struct.to_json(shown.context)["until"] == "Thursday, 2026-11-26 00:00 (UTC)"
    await road.chat.resume(shown.turn, approve(shown))

    paused = await automation(road, news)
    assert paused.resume_time.ToJsonString() == "2026-11-26T00:00:00Z"
    assert paused.pause_note == "of a move"
    listed = await road.chat.send("what do I have scheduled?")
    [one] = struct.to_json(result(listed).output)["automations"]
    assert one["resumes"] == "2026-11-26T00:00:00+00:00"
    road.clock.set(SLOT + timedelta(days=2))

    async def resumed() -> bool:
        return (await automation(road, news)).state == pb.Automation.ACTIVE

    await until(resumed)


async def test_a_time_that_was_skipped_is_made_up_for_by_talking(road: Pair, news: str) -> None:
    await road.automations.PauseAutomation(
        pb.PauseAutomationRequest(name=news), metadata=road.metadata
    )
    road.clock.set(SLOT + timedelta(seconds=1))

    async def decided() -> bool:
        return bool(await slots(road, news))

    await until(decided)
    [skipped] = await slots(road, news)
    await road.automations.ResumeAutomation(
        pb.ResumeAutomationRequest(name=news), metadata=road.metadata
    )
    asked = "make up for the news of 2026-11-24 at 8:00"
    shown = await card(road, asked)
    assert shown.action_type == "automation_backfill"
    assert [slot.local_time for slot in shown.preview.slots] == ["2026-11-24T09:00"]
    assert struct.to_json(shown.payload)["slots"] == [skipped.name]
    events = await road.chat.resume(shown.turn, approve(shown))

    assert "runs for what it missed" in said(events)
    [slot] = await slots(road, news)
    assert (slot.outcome, slot.run) == (pb.Slot.SKIPPED_PAUSED, "")
    assert slot.backfill.run
    again = result(await road.chat.send(asked))
    assert "no time in this range can be run" in str(again.output)


async def test_what_there_is_and_why_it_did_not_run_are_told_at_once(road: Pair, news: str) -> None:
    listed = await road.chat.send("what do I have scheduled?")
    assert "At 09:00 on Monday through Friday, Europe/Paris" in said(listed)

    pause = await card(road, "pause the news")
    await road.chat.resume(pause.turn, approve(pause))
    road.clock.set(SLOT + timedelta(hours=1))

    async def ledgered() -> bool:
        return bool(await slots(road, news))

    await until(ledgered)
    told = await road.chat.send("why did the news not run at 9 today?")
    assert struct.to_json(result(told).output)["outcome"] == "skipped_paused"
    assert "It was skipped." in said(told)


async def test_a_version_comes_back_and_what_is_deleted_is_gone(
    shared_road: Pair, shared_news: str
) -> None:
    shown = await card(shared_road, "change summarise the news to 10:30")
    await shared_road.chat.resume(shown.turn, approve(shown))
    shown = await card(shared_road, "roll back the news to the version before")
    assert struct.to_json(shown.payload)["revision"] == 1
    events = await shared_road.chat.resume(shown.turn, approve(shown))
    assert "is as it was before" in said(events)
    now = await automation(shared_road, shared_news)
    assert (now.revision, struct.to_json(now.triggers[0].config)["cron"]) == (3, "0 9 * * 1-5")

    shown = await card(shared_road, "delete the news")
    other = {**struct.to_json(shown.payload), "name": f"{shared_road.workspace}/automations/other"}
    refused = await refusal(shared_road.chat.resume(shown.turn, edit(shown, other)))
    assert [v.field for v in refused.violations] == ["decisions[0].edit.payload.name"]
    events = await shared_road.chat.resume(shown.turn, approve(shown))

    assert result(events).outcome == chat_pb2.ToolCallFinished.OK
    gone = await refusal(automation(shared_road, shared_news))
    assert gone.code is errors.Code.NOT_FOUND


async def test_what_came_in_and_why_are_told_of_the_persons_own_inbox(
    road: Pair, news: str
) -> None:
    changed = await automation(road, news)
    step = changed.definition.plan[-1]  # the draft's own, to the thread
    assert step.action == "deliver"
    step.config.update({"to": ["inbox"], "subject": "The news of today"})
    await road.automations.UpdateAutomation(
        pb.UpdateAutomationRequest(automation=changed, update_mask={"paths": ["definition"]}),
        metadata=road.metadata,
    )
    road.clock.set(SLOT + timedelta(seconds=1))

    async def ended() -> bool:
        request = pb.ListRunsRequest(parent=news, filter="state = SUCCEEDED")
        return bool((await road.automations.ListRuns(request, metadata=road.metadata)).runs)

    await until(ended)

    came = struct.to_json(result(await road.chat.send("what came in this week?")).output)
    [item] = came["items"]
    assert (item["subject"], item["automation"], item["unread"]) == (
        "The news of today",
        news,
        True,
    )
    assert (came["unread_in_all"], came["other_runs"]) == (1, [])
    why = said(await road.chat.send("why did I get this?"))
    assert why.startswith("“The news of today” is in your inbox.")
    assert "Its schedule (At 09:00 on Monday through Friday, Europe/Paris) came to" in why
    assert "The version that ran is 2, made by you." in why
    assert "Its plan delivers to the inbox of who made it (sent)." in why
