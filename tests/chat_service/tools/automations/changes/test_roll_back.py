"""Rolling back by talking: a card shows what would differ, and that version is current again."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from chat_service.runtime.ports import RevisionView
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_pause_resume import decided
from tests.chat_service.tools.automations.changes.test_update import (
    CRON,
    WEEKDAYS,
    asked,
    cron,
    held,
    there,
)


@pytest.fixture
async def news(bench: Bench) -> str:
    """An automation whose second version fires at 10:30."""
    name = await there(bench, WEEKDAYS)
    change_once(bench, name)
    return name


def change_once(bench: Bench, name: str) -> None:
    """Has the automation hold a second version, which fires at 10:30."""
    one = held(bench, name)
    before = RevisionView(
        number=1, create_time=NOW, author="lovelace", definition=one.payload["definition"]
    )
    bench.automations.revisions[name] = [before]
    after = deepcopy(dict(one.payload))
    after["definition"]["triggers"][0]["config"]["cron"] = "30 10 * * 1-5"
    one.payload, one.revision, one.version = after, 2, 2


async def test_the_card_shows_what_would_differ_and_pins_the_version(
    bench: Bench, news: str
) -> None:
    _, draft = await asked(bench, "roll back the news to the version before")

    assert draft.action_type == "automation_rollback"
    assert draft.payload == {"name": news, "etag": "etag-2", "revision": 1}
    assert draft.payload_schema["properties"]["revision"] == {"type": "integer", "const": 1}
    assert draft.context["version"] == "version 1 of 2026-11-22 17:00 (Europe/Paris) by lovelace"
    assert draft.context["difference"] == [
        {"path": CRON, "before": "30 10 * * 1-5", "after": "0 9 * * 1-5"}
    ]
    assert draft.context["fires"]["before"]["slots"][0]["local_time"] == "2026-11-23T10:30:00"
    assert draft.preview["slots"][0]["local_time"] == "2026-11-23T09:00:00"
    assert draft.context["consequences"]["runs_per_month"] > 0
    assert draft.summary.startswith("Roll Summarise the news back to version 1: At 09:00")
    assert cron(bench, news) == "30 10 * * 1-5"


async def test_a_pause_that_ends_by_itself_shows_the_times_after_it(
    bench: Bench, news: str
) -> None:
    one = held(bench, news)
    one.state, one.resume_time = "paused", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

    _, draft = await asked(bench, "roll back the news to the version before")

    (note,) = [one for one in draft.preview["notes"] if "paused" in one]
    assert note.startswith("It is paused until Tuesday, 2026-11-24 10:30 (Europe/Paris)")
    assert draft.preview["slots"][0]["fire_time"] >= "2026-11-24T09:30:00Z"


async def test_an_approved_one_is_current_again(bench: Bench, news: str) -> None:
    _, events = await decided(bench, "roll back the news to version 1")

    (result,) = finished(events)
    assert (result.output["change"], result.resource) == ("rolled_back", news)
    assert cron(bench, news) == "0 9 * * 1-5"
    assert held(bench, news).revision == 3
    assert "is as it was before. It fires next at" in text_of(events)


async def test_what_changed_after_it_was_shown_is_not_rolled_back(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "roll back the news")
    held(bench, news).version += 1
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["reason"]) == (False, "conflict")
    assert cron(bench, news) == "30 10 * * 1-5"


@pytest.mark.parametrize(
    ("version", "issue"),
    [
        ("2", "version 2 is the present one"),
        (
            "7",
            "there is no version 7; the present one is 2, and before it: version 1 of "
            "2026-11-22 17:00 (Europe/Paris) by lovelace",
        ),
    ],
)
async def test_a_version_that_is_not_earlier_gets_no_card(
    bench: Bench, news: str, version: str, issue: str
) -> None:
    (result,) = finished(await bench.all(f"roll back the news to version {version}"))
    assert result.output["issues"] == [f"version: {issue}"]


async def test_the_first_version_has_none_before_it(bench: Bench) -> None:
    await there(bench, WEEKDAYS)

    (result,) = finished(await bench.all("roll back the news"))

    assert result.output["issues"] == [
        "version: “Summarise the news” has no version before the present one"
    ]


async def test_a_version_with_no_fire_left_gets_no_card(bench: Bench, news: str) -> None:
    [before] = bench.automations.revisions[news]
    over = deepcopy(dict(before.definition))
    over["triggers"][0]["config"]["end_time"] = "2026-01-01T00:00:00Z"
    bench.automations.revisions[news] = [RevisionView(number=1, definition=over)]

    (result,) = finished(await bench.all("roll back the news"))

    assert result.output["status"] == "invalid"
    assert "definition.triggers[0].config" in result.output["issues"][0]
    assert cron(bench, news) == "30 10 * * 1-5"


async def test_a_version_that_is_equal_gets_no_card(bench: Bench, news: str) -> None:
    held(bench, news).payload = {
        **held(bench, news).payload,
        "definition": bench.automations.revisions[news][0].definition,
    }

    (result,) = finished(await bench.all("roll back the news"))

    assert result.output["issues"] == ["version: it is as it was in version 1 already"]
