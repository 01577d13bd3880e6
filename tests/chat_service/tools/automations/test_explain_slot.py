"""`explain_slot`: an RFC 3339 moment, and the ledger's sentence."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chat_service.runtime.ports import ExplanationView
from chat_service.runtime.run_context import AgentRun, RunContext
from chat_service.tools.automations.explain_slot import explain_slot_tool
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_update import there

NINE = datetime(2026, 11, 21, 8, tzinfo=UTC)  # yesterday at nine in Paris
PAUSED = ExplanationView(
    text="It was skipped. The automation was paused.", is_slot=True, outcome="skipped_paused"
)


@pytest.fixture
async def news(bench: Bench) -> str:
    return await there(bench, "every day at 9 in Paris summarise the news")


async def test_what_is_no_slot_there_may_be_one_on_the_schedules_clock(
    bench: Bench, news: str
) -> None:
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
    at_nine_in_new_york = NINE + timedelta(hours=6)
    trigger = f"{news}/triggers/schedule"
    assert bench.automations.asked == [(trigger, at_nine_in_new_york), (trigger, NINE)]
    assert "The automation was paused." in text_of(events)


async def test_a_moment_is_read_as_it_is_given(bench: Bench, news: str) -> None:
    bench.time_zone = "America/New_York"
    bench.automations.ledger[NINE] = PAUSED

    (result,) = finished(await bench.all("why did the news not run at 3 yesterday?"))

    assert result.output["moment"] == "2026-11-21T03:00:00-05:00"
    assert result.output["outcome"] == "skipped_paused"
    assert bench.automations.asked == [(f"{news}/triggers/schedule", NINE)]


async def test_in_a_zone_that_was_named_the_schedules_clock_is_not_tried(
    bench: Bench, news: str
) -> None:
    bench.automations.ledger[NINE] = PAUSED

    (result,) = finished(
        await bench.all("why did the news not run yesterday at 9 America/New_York?")
    )

    assert result.output["moment"] == "2026-11-21T09:00:00-05:00"
    assert result.output["explanation"] == "It is no slot of this schedule."
    assert len(bench.automations.asked) == 1


async def test_what_is_no_slot_at_all_names_the_nearest(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("why did the news not run at 7 yesterday?"))

    assert result.output["explanation"] == "It is no slot of this schedule."
    assert result.output["nearest"] == ["2026-11-22T09:00"]


async def test_a_moment_that_says_nothing_is_asked_about(bench: Bench, news: str) -> None:
    events = await bench.all("why did the news not run last week?")

    assert finished(events) == []
    assert text_of(events) == "When should it have run?"


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday at 9",
        "2026-11-21",
        "2026-11-21T09:00:00",
        "2026-11-21 09:00:00+01:00",
        "20261121T090000+0100",
        "2026-11-21T09:00:00 Europe/Paris",
        "2026-11-21T25:00:00Z",
        "2026-02-30T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1795248000",
    ],
)
async def test_a_moment_that_is_no_rfc_3339_is_refused(
    bench: Bench, news: str, moment: str
) -> None:
    (result,) = finished(await bench.all(_asked(news, moment=moment)))

    assert (result.ok, result.output["status"]) == (False, "invalid")
    assert result.output["issues"] == [
        "moment: an RFC 3339 date-time with an offset is needed, such as 2026-11-23T09:00:00+01:00"
    ]
    assert bench.automations.asked == []


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-21T09:00:00+01:00",
        "2026-11-21T09:00:00.000+01:00",
        "2026-11-21T09:00+01:00",
        "2026-11-21T08:00:00Z",
        "2026-11-21t08:00:00z",
    ],
)
async def test_one_moment_has_many_forms(bench: Bench, news: str, moment: str) -> None:
    await bench.all(_asked(news, moment=moment, time_zone=""))

    assert bench.automations.asked[0] == (f"{news}/triggers/schedule", NINE)


@pytest.mark.parametrize("zone", ["Paris", "Europe/Nowhere", "../etc/passwd", "+01:00"])
async def test_a_zone_that_is_not_iana_s_is_refused(bench: Bench, news: str, zone: str) -> None:
    asked = _asked(news, moment="2026-11-21T09:00:00+01:00", time_zone=zone)
    (result,) = finished(await bench.all(asked))

    assert result.output["issues"] == ["time_zone: an IANA name is needed, such as Europe/Paris"]


async def test_an_offset_that_is_not_the_zones_is_refused(bench: Bench, news: str) -> None:
    asked = _asked(news, moment="2026-11-21T09:00:00+02:00", time_zone="Europe/Paris")
    (result,) = finished(await bench.all(asked))

    assert result.output["issues"] == [
        "moment: its offset is not that of Europe/Paris, where it is 2026-11-21T08:00:00+01:00 then"
    ]


async def test_a_model_is_asked_for_a_date_time(bench: Bench) -> None:
    run = AgentRun(
        deps=bench.agent()._deps,
        context=RunContext(runtime=bench.context(), model=bench.model(), task=None, segment=""),
    )
    schema = explain_slot_tool(run).args_schema

    assert isinstance(schema, dict)
    assert schema["properties"]["moment"]["format"] == "date-time"
    assert schema["required"] == ["automation", "moment"]


def _asked(news: str, **arguments: str) -> str:
    call = {"name": "explain_slot", "args": {"automation": news, **arguments}}
    return f"why? <<calls={json.dumps([call])}>>"
