"""Taking a skip back by talking: the card lists the very times that run after all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_pause_resume import decided, news
from tests.chat_service.tools.automations.changes.test_update import asked, held

__all__ = ["news"]
# The bench's now is in the week before Monday, 2026-11-23, 9:00 in Paris.
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def skip_monday(bench: Bench, automation: str) -> None:
    skip(bench, automation, MONDAY)


def skip(bench: Bench, automation: str, *moments: datetime) -> None:
    [trigger] = held(bench, automation).payload["definition"]["triggers"]
    held(bench, automation).skips += [(trigger["trigger_id"], one) for one in moments]


def calling(day: str = "") -> str:
    args = {"automation": "news", **({"day": day} if day else {})}
    return f"go <<calls={json.dumps([{'name': 'unskip_slots', 'args': args}])}>>"


def issue(events: Any) -> str:
    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    return str(result.output["issues"][0])


async def test_a_card_names_the_very_slot_and_approved_it_is_not_skipped(
    bench: Bench, news: str
) -> None:
    skip(bench, news, MONDAY, TUESDAY)

    draft, events = await decided(bench, "don't skip Monday's news after all")

    [trigger] = held(bench, news).payload["definition"]["triggers"]
    slot = {
        "trigger": f"{news}/triggers/{trigger['trigger_id']}",
        "slot_time": "2026-11-23T08:00:00Z",
        "fire_time": "2026-11-23T08:00:00Z",
    }
    assert draft.action_type == "automation_unskip"
    assert draft.payload == {"name": news, "slots": [slot]}
    assert draft.payload_schema["properties"]["slots"]["const"] == [slot]
    assert draft.summary == (
        "Run Summarise the news after all: Monday, 2026-11-23 09:00 (Europe/Paris)"
    )
    [shown] = draft.preview["slots"]
    assert (shown["local_time"], shown["fire_time"]) == ("2026-11-23T09:00", "2026-11-23T08:00:00Z")
    assert draft.preview["summary"] == "It runs after all at one time."
    assert draft.preview["notes"] == [
        "It runs then as if nothing had been skipped, and goes on as before."
    ]
    (result,) = finished(events)
    assert result.output["change"] == "unskipped"
    assert "left_out" not in result.output
    assert [moment for _, moment in held(bench, news).skips] == [TUESDAY]
    assert "runs then after all" in text_of(events)


async def test_all_that_are_skipped_are_taken_back_together(bench: Bench, news: str) -> None:
    skip(bench, news, MONDAY, TUESDAY)

    draft, _ = await decided(bench, "take back all skips of the news")

    assert draft.summary == "Run Summarise the news after all: 2 times that are skipped"
    assert [slot["local_time"] for slot in draft.preview["slots"]] == [
        "2026-11-23T09:00",
        "2026-11-24T09:00",
    ]
    assert held(bench, news).skips == []


async def test_what_has_come_meanwhile_stays_skipped_and_the_result_says_so(
    bench: Bench, news: str
) -> None:
    skip(bench, news, MONDAY, TUESDAY)
    approval, _ = await asked(bench, calling("all"))
    bench.automations.now = MONDAY
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert result.output["left_out"] == [f"{MONDAY} has come, or is not skipped any more"]
    assert [moment for _, moment in held(bench, news).skips] == [MONDAY]


async def test_where_all_have_come_meanwhile_nothing_is_changed(bench: Bench, news: str) -> None:
    skip(bench, news, MONDAY)
    approval, _ = await asked(bench, calling())
    bench.automations.now = MONDAY
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["status"]) == (False, "error")
    assert [moment for _, moment in held(bench, news).skips] == [MONDAY]


@pytest.mark.parametrize(
    ("skipped", "day", "said"),
    [
        ([], "", "automation: “Summarise the news” has no skipped time to come"),
        ([MONDAY - timedelta(days=28)], "all", "automation: “Summarise the news” has no skipped"),
        ([MONDAY], "tomorrow", "day: a date is needed, such as 2026-11-23, or `all`"),
        (
            [MONDAY],
            "2026-11-24",
            "day: no time of that day is skipped; skipped are Monday, 2026-11-23 09:00 (Europe/",
        ),
        (
            [TUESDAY, MONDAY],
            "",
            "day: several times are skipped, so ask which is meant: Monday, 2026-11-23 09:00 "
            "(Europe/Paris), Tuesday, 2026-11-24 09:00 (Europe/Paris)",
        ),
        (
            [MONDAY + timedelta(days=number) for number in range(21)],
            "all",
            "day: 21 times are skipped, and a card lists at most 20: name a day",
        ),
    ],
)
async def test_what_can_not_be_taken_back_needs_no_card(
    bench: Bench, news: str, skipped: list[datetime], day: str, said: str
) -> None:
    skip(bench, news, *skipped)
    assert issue(await bench.all(calling(day))).startswith(said)
    assert len(held(bench, news).skips) == len(skipped)


@pytest.mark.parametrize(
    ("state", "end", "moment", "note"),
    [
        ("paused", None, MONDAY, "It is paused, so it does not run until it is resumed."),
        (
            "paused",
            TUESDAY,
            MONDAY,
            "It is paused until Tuesday, 2026-11-24 09:00 (Europe/Paris), so what comes before "
            "then does not run.",
        ),
        (
            "active",
            None,
            MONDAY + timedelta(hours=1),
            "Monday, 2026-11-23 10:00 (Europe/Paris) does not run: its schedule does not name it "
            "any more.",
        ),
    ],
)
async def test_the_card_says_what_does_not_run_all_the_same(
    bench: Bench, news: str, state: Any, end: datetime | None, moment: datetime, note: str
) -> None:
    held(bench, news).state, held(bench, news).resume_time = state, end
    skip(bench, news, moment)

    _, draft = await asked(bench, calling())

    assert draft.preview["notes"][1:] == [note]
