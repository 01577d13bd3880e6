"""Skipping the next time, and pausing until a moment, by talking."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_pause_resume import decided, news
from tests.chat_service.tools.automations.changes.test_update import asked, held

__all__ = ["news"]
# The bench's now is in the week before Monday, 2026-11-23, 9:00 in Paris.
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)


def issues(events: Any) -> str:
    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    return str(result.output["issues"][0])


async def test_a_card_names_the_very_slot_and_approved_it_is_skipped(
    bench: Bench, news: str
) -> None:
    draft, events = await decided(bench, "skip the next run of the news because nobody is in")

    trigger_id = held(bench, news).payload["definition"]["triggers"][0]["trigger_id"]
    assert draft.action_type == "automation_skip"
    assert draft.payload == {
        "name": news,
        "trigger": f"{news}/triggers/{trigger_id}",
        "slot_time": "2026-11-23T08:00:00Z",
        "note": "nobody is in",
    }
    assert draft.payload_schema["required"] == ["name", "trigger", "slot_time"]
    assert draft.context["slot"] == "Monday, 2026-11-23 09:00 (Europe/Paris)"
    assert draft.summary.startswith("Skip Monday, 2026-11-23 09:00 (Europe/Paris) of Summarise")
    assert "is skipped, and not made up for later" in draft.preview["notes"][-1]
    assert [slot["local_time"][:10] for slot in draft.preview["slots"]][:1] == ["2026-11-24"]
    (result,) = finished(events)
    assert result.output["change"] == "skipped"
    assert [slot for _, slot in held(bench, news).skips] == [MONDAY]
    assert "skips its next time" in text_of(events)


async def test_only_the_day_of_the_next_slot_is_skipped(bench: Bench, news: str) -> None:
    events = await bench.all(_calling("skip_next_slot", automation="news", day="2026-11-24"))

    assert issues(events) == (
        "day: its next time is Monday, 2026-11-23 09:00 (Europe/Paris), and only the next time "
        "that is not skipped can be skipped"
    )
    assert not held(bench, news).skips


@pytest.mark.parametrize(
    ("arguments", "state", "issue"),
    [
        ({"day": "tomorrow"}, "active", "day: a date is needed"),
        ({}, "paused", "automation: “Summarise the news” is paused, so no time is next"),
    ],
)
async def test_what_can_not_be_skipped_needs_no_card(
    bench: Bench, news: str, arguments: dict[str, str], state: Any, issue: str
) -> None:
    held(bench, news).state = state
    events = await bench.all(_calling("skip_next_slot", automation="news", **arguments))
    assert issues(events).startswith(issue)


async def test_a_slot_that_is_not_the_next_any_more_is_not_skipped(bench: Bench, news: str) -> None:
    approval, draft = await asked(bench, "skip the next run of the news")
    trigger = draft.payload["trigger"].rpartition("/")[2]
    held(bench, news).skips.append((trigger, MONDAY))
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["status"]) == (False, "error")
    assert len(held(bench, news).skips) == 1


async def test_a_pause_until_a_moment_is_shown_on_the_persons_clock_and_made(
    bench: Bench, news: str
) -> None:
    call = _calling("pause_automation", automation="news", until="2026-11-30T00:00:00+01:00")
    draft, events = await decided(bench, call)

    assert draft.payload == {
        "name": news,
        "etag": "etag-1",
        "note": "",
        "resume_time": "2026-11-29T23:00:00Z",
    }
    assert draft.payload_schema["required"] == ["name", "etag", "resume_time"]
    assert draft.context["until"].startswith("Monday, 2026-11-30 00:00 (Europe/Paris)")
    assert f"until {draft.context['until']}" in draft.summary
    assert finished(events)[0].output["change"] == "paused"
    assert held(bench, news).resume_time == datetime(2026, 11, 29, 23, tzinfo=UTC)


async def test_a_pause_with_an_end_lists_the_times_before_it_alone(bench: Bench, news: str) -> None:
    call = _calling("pause_automation", automation="news", until="2026-11-25T00:00:00+01:00")
    _, draft = await asked(bench, call)

    listed = [slot["local_time"] for slot in draft.preview["slots"]]
    assert listed == ["2026-11-23T09:00:00", "2026-11-24T09:00:00"]


async def test_the_end_of_a_pause_can_be_changed_and_the_card_says_that_it_is_one(
    bench: Bench, news: str
) -> None:
    held(bench, news).state = "paused"
    call = _calling("pause_automation", automation="news", until="2026-11-30T00:00:00+01:00")
    draft, _ = await decided(bench, call)

    assert "It is paused already; this replaces" in "".join(draft.preview["notes"])
    assert held(bench, news).state == "paused"


@pytest.mark.parametrize(
    ("until", "issue"),
    [
        ("Monday", "until: an RFC 3339 date-time with an offset is needed"),
        ("2020-01-01T00:00:00Z", "until: it is past, since it is "),
    ],
)
async def test_an_end_that_is_none_is_answered(
    bench: Bench, news: str, until: str, issue: str
) -> None:
    events = await bench.all(_calling("pause_automation", automation="news", until=until))
    assert issues(events).startswith(issue)


async def test_a_list_says_until_when_and_what_is_skipped(bench: Bench, news: str) -> None:
    held(bench, news).state = "paused"
    held(bench, news).resume_time = MONDAY
    trigger = held(bench, news).payload["definition"]["triggers"][0]["trigger_id"]
    held(bench, news).skips.append((trigger, MONDAY))

    (result,) = finished(await bench.all("list my automations"))

    (one,) = result.output["automations"]
    assert one["resumes"] == MONDAY.isoformat()
    assert one["skipped"] == ["2026-11-23T09:00"]
    assert one["next_fires"]


def _calling(tool: str, **arguments: str) -> str:
    calls = json.dumps([{"name": tool, "args": arguments}])
    return f"go <<calls={calls}>>"
