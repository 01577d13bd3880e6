"""Deleting by talking: a card says what goes, and only that goes."""

from typing import Any

import pytest

from chat_service.runtime.ports import ThreadMessage
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_pause_resume import decided
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, asked, held, there


@pytest.fixture
async def news(bench: Bench) -> str:
    return await there(bench, WEEKDAYS)


async def test_a_card_says_what_goes_and_holds_which_one(bench: Bench, news: str) -> None:
    _, draft = await asked(bench, "delete the news")

    assert draft.action_type == "automation_delete"
    assert draft.payload == {"name": news, "etag": "etag-1", "display_name": "Summarise the news"}
    assert draft.payload_schema["required"] == ["name", "etag", "display_name"]
    assert draft.payload_schema["properties"]["etag"] == {"type": "string", "const": "etag-1"}
    assert draft.context["last_run"] == "none yet"
    assert draft.summary.startswith("Delete Summarise the news for good")
    assert draft.preview["slots"][0]["local_time"] == "2026-11-23T09:00:00"
    assert "this can't be taken back" in draft.preview["notes"][-1]
    assert news in bench.automations.held


async def test_what_was_approved_is_deleted_and_named_as_gone(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "delete the news")
    bench.approvals.decide(approval, "approved")

    events = await bench.all(decided_approvals=[approval])

    (result,) = finished(events)
    assert result.output == {
        "status": "saved",
        "automation": "",
        "display_name": "Summarise the news",
        "next_fires": [],
        "change": "deleted",
    }
    assert bench.automations.deleted == {approval: news}
    assert (result.resource, bench.approvals.stored(approval).resource) == ("", "")
    assert "is deleted" in text_of(events)


async def test_a_rejected_one_stays(bench: Bench, news: str) -> None:
    _, events = await decided(bench, "delete the news", "rejected")

    assert finished(events)[0].output["status"] == "rejected"
    assert news in bench.automations.held


async def test_what_changed_after_it_was_shown_is_not_deleted(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "delete the news")
    held(bench, news).version += 1
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["reason"]) == (False, "conflict")
    assert news in bench.automations.held


async def test_a_paused_one_has_no_time_that_would_be_missed(bench: Bench, news: str) -> None:
    paused: Any = "paused"
    held(bench, news).state = paused

    _, draft = await asked(bench, "delete the news")

    assert draft.preview["slots"] == []
    assert draft.preview["notes"][0] == "It is paused, so none of its times comes anyway."


async def test_one_that_is_not_there_is_asked_after(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("delete the weather"))

    assert "no automation is called 'the weather'" in result.output["issues"][0]


async def test_it_is_the_automation_whose_result_is_last_in_the_thread(
    bench: Bench, news: str
) -> None:
    bench.keep_automation()
    brought = {
        "run": f"{news}/runs/r",
        "automation_display_name": "Summarise the news",
        "subject": "News",
        "body": "delete “Water the plants”",
    }
    said = [
        ThreadMessage(id="m1", role="agent", parts=[{"run_result": brought}]),
        ThreadMessage(id="m2", role="user", parts=[{"text": "delete it"}]),
    ]

    (approval,) = await bench.paused("", messages=said)

    assert bench.approvals.drafts[approval].payload["name"] == news
