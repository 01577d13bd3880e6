"""Running afterwards what was missed, by talking: the card lists the very slots that run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat_service.runtime.ports import LedgerSlotView
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, asked, held, there

FIRST = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)  # a Friday, 9:00 in Paris
MAKE_UP = "make up for the news of 2026-11-20 at 9"


def missed(automation: str, number: int) -> LedgerSlotView:
    moment = FIRST + number * timedelta(minutes=1)
    return LedgerSlotView(
        name=f"{automation}/slots/s{number}",
        trigger_id="schedule",
        slot_time=moment,
        fire_time=moment,
        local_time=f"{moment + timedelta(hours=1):%Y-%m-%dT%H:%M}",
    )


@pytest.fixture
async def news(bench: Bench) -> str:
    return await there(bench, WEEKDAYS)


def calling(start: str, end: str = "") -> str:
    more = {"end": end} if end else {}
    args = {"automation": "news", "start": start, **more}
    return f"go <<calls={json.dumps([{'name': 'backfill_slots', 'args': args}])}>>"


async def test_a_card_lists_the_slots_and_they_alone_are_run(bench: Bench, news: str) -> None:
    bench.automations.unrun = [missed(news, number) for number in range(3)]

    approval, draft = await asked(bench, MAKE_UP)

    assert draft.action_type == "automation_backfill"
    assert draft.payload == {"name": news, "etag": "etag-1", "slots": [f"{news}/slots/s0"]}
    assert draft.payload_schema["properties"]["slots"]["const"] == draft.payload["slots"]
    assert draft.summary == "Run Summarise the news for one time that it missed"
    [shown] = draft.preview["slots"]
    assert (shown["local_time"], shown["fire_time"]) == ("2026-11-20T09:00", "2026-11-20T08:00:00Z")
    assert bench.automations.backfilled == []
    bench.automations.unrun.append(missed(news, 0))  # the span is not looked at again
    bench.approvals.decide(approval, "approved")
    events = await bench.all(decided_approvals=[approval])
    (result,) = finished(events)
    assert result.output["change"] == "backfilled"
    assert bench.automations.backfilled == [f"{news}/slots/s0"]
    assert "runs for what it missed" in text_of(events)


async def test_a_card_has_the_slots_of_a_span(bench: Bench, news: str) -> None:
    bench.automations.unrun = [missed(news, number) for number in range(3)]
    _, draft = await asked(bench, calling("2026-11-20T08:00:30Z", "2026-11-20T09:01:00+01:00"))
    assert [slot["local_time"] for slot in draft.preview["slots"]] == [
        "2026-11-20T09:00",
        "2026-11-20T09:01",
    ]
    assert draft.summary == "Run Summarise the news for 2 times that it missed"


@pytest.mark.parametrize(
    ("slots", "state", "issue"),
    [
        (
            0,
            "active",
            "no time in this range can be run. Of those in the ledger 1 were run afterwards "
            "already, 2 ran at their time.",
        ),
        (
            30,
            "active",
            "30 times can be run, and a card lists at most 20; the last that it can list is "
            "2026-11-20T08:19:00Z",
        ),
        (1, "paused", "“Summarise the news” is paused; resume it first"),
    ],
)
async def test_what_can_not_be_run_has_no_card(
    bench: Bench, news: str, slots: int, state: Any, issue: str
) -> None:
    bench.automations.left_out = {"has_run": 2, "backfilled": 1}
    bench.automations.unrun = [missed(news, number) for number in range(slots)]
    held(bench, news).state = state
    (result,) = finished(await bench.all(calling("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")))
    assert result.output["issues"] == [f"start: {issue}"]


async def test_what_changed_after_it_was_shown_is_not_run(bench: Bench, news: str) -> None:
    bench.automations.unrun = [missed(news, 0)]
    approval, _ = await asked(bench, MAKE_UP)
    held(bench, news).version += 1
    bench.approvals.decide(approval, "approved")
    (result,) = finished(await bench.all(decided_approvals=[approval]))
    assert (result.ok, result.output["reason"]) == (False, "conflict")
    assert bench.automations.backfilled == []
