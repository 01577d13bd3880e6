"""Why it did or did not run: a moment in words, and the ledger's sentence."""

from datetime import UTC, datetime

import pytest

from chat_service.runtime.ports import Explanation
from tests.chat_service.agent.conftest import Bench, finished, text_of
from tests.chat_service.agent.test_update_automation import there

NINE = datetime(2026, 11, 21, 8, tzinfo=UTC)  # yesterday at nine in Paris
PAUSED = Explanation(
    text="It was skipped. The automation was paused.", is_slot=True, outcome="skipped_paused"
)


@pytest.fixture
async def news(bench: Bench) -> str:
    return await there(bench, "every day at 9 in Paris summarise the news")


async def test_a_moment_in_words_is_read_on_the_schedules_clock(bench: Bench, news: str) -> None:
    bench.time_zone = "America/New_York"
    bench.automations.ledger[NINE] = PAUSED

    events = await bench.all("why did the news not run at 9 yesterday?")

    (result,) = finished(events)
    assert result.output == {
        "status": "explained",
        "automation": news,
        "display_name": "Summarise the news",
        "moment": "2026-11-21T09:00:00+01:00",
        "explanation": "It was skipped. The automation was paused.",
        "outcome": "skipped_paused",
        "nearest": [],
    }
    assert bench.automations.asked == [(f"{news}/triggers/schedule", NINE)]
    assert "The automation was paused." in text_of(events)


async def test_what_is_no_slot_there_may_be_one_on_the_persons_clock(
    bench: Bench, news: str
) -> None:
    bench.time_zone = "America/New_York"
    bench.automations.ledger[NINE] = PAUSED

    (result,) = finished(await bench.all("why did the news not run at 3 yesterday?"))

    assert result.output["moment"] == "2026-11-21T03:00:00-05:00"
    assert result.output["outcome"] == "skipped_paused"


async def test_what_is_no_slot_at_all_names_the_nearest(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("why did the news not run at 7 yesterday?"))

    assert result.output["explanation"] == "It is no slot of this schedule."
    assert result.output["nearest"] == ["2026-11-22T09:00"]


async def test_a_moment_that_says_nothing_is_asked_about(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("why did the news not run last week?"))

    assert (result.ok, result.output["status"]) == (False, "invalid")
    assert result.output["issues"][0].startswith("moment: give a date")
