"""Pausing and resuming by talking, each with a card of its own."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest

from chat_service.runtime.events import AgentEvent
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, asked, held, there


@pytest.fixture
async def news(bench: Bench) -> str:
    return await there(bench, WEEKDAYS)


async def decided(
    bench: Bench, text: str, state: str = "approved"
) -> tuple[Any, Sequence[AgentEvent]]:
    approval, draft = await asked(bench, text)
    bench.approvals.decide(approval, state)
    return draft, await bench.all(decided_approvals=[approval])


async def test_a_pause_is_shown_with_what_will_be_skipped(bench: Bench, news: str) -> None:
    _, draft = await asked(bench, "pause the news because I am on holiday")

    assert draft.action_type == "automation_pause"
    assert draft.payload == {"name": news, "etag": "etag-1", "note": "I am on holiday"}
    assert draft.payload_schema["properties"]["etag"] == {"type": "string", "const": "etag-1"}
    assert draft.preview["slots"][0]["local_time"] == "2026-11-23T09:00:00"
    assert "these times are skipped" in draft.preview["notes"][0]
    assert draft.summary.startswith("Pause Summarise the news")
    assert held(bench, news).state == "active"


async def test_an_approved_pause_is_made_with_its_note(bench: Bench, news: str) -> None:
    _, events = await decided(bench, "pause the news because I am on holiday")

    (result,) = finished(events)
    assert result.output == {
        "status": "saved",
        "automation": news,
        "display_name": "Summarise the news",
        "next_fires": [],
        "change": "paused",
    }
    assert (held(bench, news).state, held(bench, news).note) == ("paused", "I am on holiday")
    assert "is paused" in text_of(events)


async def test_a_rejected_pause_is_not_made(bench: Bench, news: str) -> None:
    _, events = await decided(bench, "pause the news", "rejected")

    assert finished(events)[0].output["status"] == "rejected"
    assert held(bench, news).state == "active"


async def test_a_resumed_automation_says_when_it_fires_next(bench: Bench, news: str) -> None:
    held(bench, news).state = "paused"

    draft, events = await decided(bench, "resume the news")

    assert draft.action_type == "automation_resume"
    assert draft.payload == {"name": news, "etag": "etag-1"}
    assert draft.payload_schema["properties"]["etag"] == {"type": "string", "const": "etag-1"}
    assert draft.payload_schema["required"] == ["name", "etag"]
    assert draft.preview["notes"] == ["What was skipped while it was paused stays skipped."]
    assert held(bench, news).state == "active"
    assert finished(events)[0].output["next_fires"][0] == "2026-11-23T08:00:00+00:00"
    assert "is active again" in text_of(events)


async def test_a_card_says_that_what_is_resumed_has_no_fire_left(bench: Bench, news: str) -> None:
    over = deepcopy(dict(held(bench, news).payload))
    over["definition"]["triggers"][0]["config"]["end_time"] = "2026-01-01T00:00:00Z"
    held(bench, news).payload = over
    held(bench, news).state = "paused"

    draft, _ = await decided(bench, "resume the news")

    assert draft.preview["notes"][-1] == (
        "No fire is left: it does nothing more until its schedule is changed."
    )
    assert held(bench, news).state == "active"


@pytest.mark.parametrize(("text", "state"), [("pause", "paused"), ("resume", "active")])
async def test_what_is_so_already_needs_no_card(
    bench: Bench, news: str, text: str, state: Any
) -> None:
    held(bench, news).state = state

    (result,) = finished(await bench.all(f"{text} the news"))

    assert result.output["issues"] == [f"automation: “Summarise the news” is {state} already"]


async def test_an_old_card_of_a_pause_does_not_replace_a_newer_pause(
    bench: Bench, news: str
) -> None:
    approval, _ = await asked(bench, "pause the news because I am away")
    one = held(bench, news)
    one.state, one.note, one.version = "paused", "a newer one", one.version + 1
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["reason"]) == (False, "conflict")
    assert "ask for it again to see it as it is now." in result.output["message"]
    assert (one.state, one.note) == ("paused", "a newer one")


async def test_what_changed_after_it_was_shown_is_not_resumed(bench: Bench, news: str) -> None:
    held(bench, news).state = "paused"
    approval, _ = await asked(bench, "resume the news")
    held(bench, news).version += 1
    bench.approvals.decide(approval, "approved")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert (result.ok, result.output["reason"]) == (False, "conflict")
    assert held(bench, news).state == "paused"


@pytest.mark.parametrize(
    ("verb", "before", "after"), [("resume", "paused", "active"), ("pause", "active", "paused")]
)
async def test_a_card_from_before_etags_were_held_is_made(
    bench: Bench, news: str, verb: str, before: Any, after: str
) -> None:
    held(bench, news).state = before
    approval, _ = await asked(bench, f"{verb} the news")
    held(bench, news).version += 1
    bench.approvals.decide(approval, "approved", payload={"name": news})

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert result.ok
    assert held(bench, news).state == after
