"""Editing by talking: a change in words, shown as what differs, saved as it was approved."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_service.runtime.ports import ApprovalDraft, StoredApproval
from shared import errors
from shared.json import canonical_json
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.service_parts.agent_ports import Held, MemoryApprovals

WEEKDAYS = "every weekday at 9 in Paris summarise the news"
CRON = "definition.triggers[0].config.cron"
# By what a person said: the payload that was approved.
_APPROVED: dict[str, bytes] = {}


@pytest.fixture
async def news(bench: Bench) -> str:
    """An automation that fires at nine on weekdays in Paris."""
    return await there(bench, WEEKDAYS)


async def there(bench: Bench, text: str) -> str:
    """What a person said and approved in an earlier turn."""
    if text not in _APPROVED:
        before = Bench(demo=bench.demo, checkpoints=bench.checkpoints, dsn=bench.dsn)
        (approval,) = await before.paused(text)
        _APPROVED[text] = canonical_json.canonical_bytes(before.approvals.drafts[approval].payload)
        bench.demo.controls.reset()
    made = await bench.automations.create(
        workspace=bench.context().workspace,
        user=bench.context().user,
        payload=json.loads(_APPROVED[text]),
        request_id=uuid4(),
    )
    return made.name


def held(bench: Bench, name: str) -> Held:
    return bench.automations.held[name]


def cron(bench: Bench, name: str) -> str:
    trigger = held(bench, name).payload["definition"]["triggers"][0]
    return str(trigger["config"]["cron"])


async def asked(bench: Bench, text: str) -> tuple[UUID, Any]:
    (approval,) = await bench.paused(text)
    return approval, bench.approvals.drafts[approval]


async def test_the_card_shows_what_would_be_different_and_when_it_would_fire(
    bench: Bench, news: str
) -> None:
    approval, draft = await asked(bench, "change summarise the news to 10:30")

    assert draft.action_type == "automation_update"
    assert (draft.payload["name"], draft.payload["etag"]) == (news, "etag-1")
    assert set(draft.payload) == {"name", "etag", "display_name", "description", "definition"}
    assert draft.context["difference"] == [
        {"path": CRON, "before": "0 9 * * 1-5", "after": "30 10 * * 1-5"},
        {
            "path": "description",
            "before": "Summarise the news. Every weekday at 09:00.",
            "after": "Summarise the news. Every weekday at 10:30.",
        },
    ]
    fires = draft.context["fires"]
    assert fires["before"]["slots"][0]["local_time"] == "2026-11-23T09:00:00"
    assert fires["after"]["slots"][0]["local_time"] == "2026-11-23T10:30:00"
    assert draft.preview["slots"] == fires["after"]["slots"]
    assert draft.payload_schema["properties"]["etag"]["const"] == "etag-1"
    assert draft.summary.startswith("Change Summarise the news: At 10:30")
    assert bench.approvals.stored(approval).state == "pending"
    assert cron(bench, news) == "0 9 * * 1-5"


async def test_what_was_approved_is_saved_under_the_approvals_id(bench: Bench, news: str) -> None:
    approval, draft = await asked(bench, "change summarise the news to 10:30")
    bench.approvals.decide(approval, "approved")

    events = await bench.all(decided_approvals=[approval])

    (result,) = finished(events)
    assert (result.ok, result.resource, result.output["change"]) == (True, news, "updated")
    assert bench.approvals.stored(approval).resource == news
    assert approval in bench.automations.saved
    assert (cron(bench, news), held(bench, news).revision) == ("30 10 * * 1-5", 2)
    assert held(bench, news).payload["definition"] == draft.payload["definition"]
    assert "is changed" in text_of(events)
    assert len(bench.demo.controls.log("drafter")) == 1


async def test_a_zone_and_days_can_be_changed_too(bench: Bench, news: str) -> None:
    _, draft = await asked(bench, "move the news to every day at 18:00 in Berlin")

    config = draft.payload["definition"]["triggers"][0]["config"]
    assert (config["cron"], config["timezone"]) == ("0 18 * * *", "Europe/Berlin")
    assert [one["path"] for one in draft.context["difference"]] == [
        CRON,
        "definition.triggers[0].config.timezone",
        "description",
    ]


async def test_an_automation_that_changed_meanwhile_is_left_alone(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "change summarise the news to 10:30")
    bench.approvals.decide(approval, "approved")
    held(bench, news).version += 1

    events = await bench.all(decided_approvals=[approval])

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert result.output["reason"] == "conflict"
    assert "ask for it again" in text_of(events)
    assert cron(bench, news) == "0 9 * * 1-5"


async def test_a_rejection_changes_nothing(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "change summarise the news to 10:30")
    bench.approvals.decide(approval, "rejected", reason="too late")

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert result.output == {"status": "rejected", "reason": "too late"}
    assert held(bench, news).version == 1


async def test_a_name_that_fits_several_is_asked_about(bench: Bench, news: str) -> None:
    other = await there(bench, "every day at 18:30 in Paris summarise the news of sports")

    events = await bench.all("change news to 10:30")

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    (issue,) = result.output["issues"]
    assert news in issue
    assert other in issue
    assert not bench.demo.controls.log("drafter")
    assert "At 18:30, Europe/Paris, active;" in issue
    said = text_of(events)
    assert said.startswith("Which one do you mean: “Summarise the news of sports” (At 18:30, ")
    assert "workspaces/" not in said


async def test_the_whole_name_wins_over_a_part_of_another(bench: Bench, news: str) -> None:
    await there(bench, "every day at 18:30 in Paris summarise the news of sports")

    _, draft = await asked(bench, "change summarise the news to 10:30")

    assert draft.payload["name"] == news


async def test_a_resource_name_says_which_one(bench: Bench, news: str) -> None:
    _, draft = await asked(bench, f"change {news} to 10:30")

    assert draft.payload["name"] == news


async def test_a_resource_name_is_found_however_many_newer_ones_there_are(
    bench: Bench, news: str
) -> None:
    await there(bench, "every day at 18:30 in Paris tell me a joke")
    bench.automations.listed = 1

    _, draft = await asked(bench, f"change {news} to 10:30")
    bench.turn = uuid4()
    (result,) = finished(await bench.all("change summarise the news to 10:30"))

    assert draft.payload["name"] == news
    (issue,) = result.output["issues"]
    assert "no automation is called 'summarise the news'; the newest 1: “Tell me a joke”" in issue


@pytest.mark.parametrize("state", ["archived", "gone"])
async def test_a_resource_name_of_nothing_is_told_with_those_there_are(
    bench: Bench, news: str, state: Any
) -> None:
    other = await there(bench, "every day at 18:30 in Paris tell me a joke")
    if state == "gone":
        del bench.automations.held[news]
    else:
        held(bench, news).state = state

    (result,) = finished(await bench.all(f"change {news} to 10:30"))

    (issue,) = result.output["issues"]
    assert issue.startswith(f"automation: no automation is called {news!r}; those there are: ")
    assert other in issue


async def test_a_name_that_nothing_has_is_told_with_those_there_are(bench: Bench) -> None:
    bench.keep_automation()

    (result,) = finished(await bench.all("change the weather to 10:30"))

    (issue,) = result.output["issues"]
    assert issue.startswith("automation: no automation is called 'the weather'; those there are: ")
    assert "Water the plants" in issue


async def test_a_change_that_changes_nothing_shows_no_card(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("change the news to 9:00"))

    assert (result.ok, result.output["status"]) == (True, "unchanged")
    assert result.output["display_name"] == "Summarise the news"


async def test_a_bad_draft_of_a_change_is_corrected(bench: Bench, news: str) -> None:
    _, draft = await asked(bench, "change the news to 10:30 <<draft=bad>>")

    seen = bench.demo.controls.log("drafter")
    assert len(seen) == 2
    assert f"{CRON}: cron has exactly five fields" in seen[1].asked
    assert draft.payload["definition"]["triggers"][0]["config"]["cron"] == "30 10 * * 1-5"


async def test_a_hopeless_draft_of_a_change_is_given_up(bench: Bench, news: str) -> None:
    (result,) = finished(await bench.all("change the news to 10:30 <<draft=hopeless>>"))

    assert result.output["status"] == "invalid"
    assert len(bench.demo.controls.log("drafter")) == 3


async def test_the_drafter_sees_the_current_revision_and_its_own_conventions(
    bench: Bench, news: str
) -> None:
    await asked(bench, "change the news to 10:30")

    (seen,) = bench.demo.controls.log("drafter")
    assert "You change one automation" in seen.system
    assert "Weekday news from Le Monde" not in seen.system
    assert '"cron":"0 9 * * 1-5"' in seen.asked
    assert seen.asked.endswith("The change: Run it 10:30.")


async def test_a_pause_that_ends_by_itself_shows_the_times_after_it(
    bench: Bench, news: str
) -> None:
    held(bench, news).state = "paused"
    held(bench, news).resume_time = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

    _, draft = await asked(bench, "change the news to 10:30")

    assert (
        "It is paused until Tuesday, 2026-11-24 10:30 (Europe/Paris), and fires from then on by "
        "itself." in draft.preview["notes"]
    )
    assert [slot["local_time"] for slot in draft.preview["slots"][:2]] == [
        "2026-11-24T10:30",
        "2026-11-25T10:30",
    ]


async def test_a_paused_automation_may_be_changed_and_the_card_says_so(
    bench: Bench, news: str
) -> None:
    held(bench, news).state = "paused"

    approval, draft = await asked(bench, "change the news to 10:30")

    assert "It is paused, so it does not fire until it is resumed." in draft.preview["notes"]
    bench.approvals.decide(approval, "approved")
    (result,) = finished(await bench.all(decided_approvals=[approval]))
    assert (result.output["change"], result.output["next_fires"]) == ("updated", [])


async def test_a_zone_that_stays_is_not_said_to_be_assumed(bench: Bench) -> None:
    await there(bench, WEEKDAYS)
    bench.time_zone_assumed = True

    _, draft = await asked(bench, "change the news to 10:30")

    assert draft.preview["time_zone_assumed"] is False


async def test_a_service_that_restarts_is_waited_for(bench: Bench, news: str) -> None:
    approval, _ = await asked(bench, "change the news to 10:30")
    bench.approvals.decide(approval, "approved")
    bench.automations.failures = [errors.PeerUnavailable("automation_service")] * 2

    (result,) = finished(await bench.all(decided_approvals=[approval]))

    assert result.output["status"] == "saved"
    assert held(bench, news).version == 2


async def test_a_draft_and_its_etag_are_of_one_revision_over_a_crash(
    bench: Bench, news: str
) -> None:
    class Slow(MemoryApprovals):
        async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    reached = asyncio.Event()
    kept, bench.approvals = bench.approvals, Slow()
    task = asyncio.create_task(bench.all("change the news to 10:30"))
    await asyncio.wait_for(reached.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.approvals = kept
    held(bench, news).version += 1

    _, draft = await asked(bench, "change the news to 10:30")

    assert draft.payload["etag"] == "etag-1"
    assert len(bench.demo.controls.log("drafter")) == 1
