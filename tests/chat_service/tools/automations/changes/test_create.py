"""From an intent to a saved automation, and every way it may not come to that."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from chat_service.agent.toolset import MAIN_AGENT, select_tools
from chat_service.runtime.ports import ApprovalDraft, SavedAutomation, StoredApproval, TaskLimits
from chat_service.runtime.run_context import RunContext
from shared import errors
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.support.service_parts.agent_ports import MemoryApprovals, MemoryAutomations

WEEKDAYS = "every weekday at 9 in Paris summarise the news"
# Its name is cut before what is added.
LONG = f"{WEEKDAYS} of science, of the arts and of the town where I live"


async def test_a_bad_draft_is_corrected_with_what_is_wrong_with_it(bench: Bench) -> None:
    (approval,) = await bench.paused(f"{WEEKDAYS} <<draft=bad>>")

    seen = bench.demo.controls.log("drafter")
    assert len(seen) == 2
    assert seen[1].roles == ["system", "user", "assistant", "user"]
    assert "definition.triggers[0].config.cron: cron has exactly five fields" in seen[1].asked
    config = bench.approvals.drafts[approval].payload["definition"]["triggers"][0]["config"]
    assert config["cron"] == "0 9 * * 1-5"


async def test_a_hopeless_draft_is_given_up_after_two_corrections(bench: Bench) -> None:
    events = await bench.all(f"{WEEKDAYS} <<draft=hopeless>>")

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    assert "five fields" in result.output["issues"][0]
    assert len(bench.demo.controls.log("drafter")) == 3
    assert not bench.approvals.drafts
    assert "did not become a valid automation" in text_of(events)


async def test_what_the_other_service_refuses_is_corrected_too(bench: Bench) -> None:
    class Strict(MemoryAutomations):
        refusals = 1

        async def validate(
            self, *, workspace: str, user: str, payload: Mapping[str, Any]
        ) -> SavedAutomation:
            if self.refusals:
                self.refusals -= 1
                raise errors.invalid("automation.definition.goal", "is too bold")
            return await super().validate(workspace=workspace, user=user, payload=payload)

    bench.automations = Strict(now=NOW)

    assert await bench.paused(WEEKDAYS)
    assert "definition.goal: is too bold" in bench.demo.controls.log("drafter")[1].asked


async def test_the_card_warns_of_what_nobody_sees(bench: Bench) -> None:
    (approval,) = await bench.paused(f"{LONG}, \u202eabc\u202c")

    warnings = bench.approvals.drafts[approval].context["warnings"]
    wanted = "definition.plan[0].config.prompt holds invisible characters: U+202C POP DIRECTIONAL"
    assert any(warning.startswith(wanted) for warning in warnings)


async def test_the_card_says_where_the_words_and_the_draft_disagree(bench: Bench) -> None:
    # the demo model reads one day only
    intent = {"intent": "On Mondays and Thursdays at 9am, water the plants."}
    calls = json.dumps([{"name": "create_automation", "args": intent}])
    (approval,) = await bench.paused(f"go <<calls={calls}>>")

    (warning,) = bench.approvals.drafts[approval].context["warnings"]
    assert warning == "The words say Monday and Thursday; this fires on Monday."


async def test_a_draft_with_an_open_override_of_direction_is_no_card(bench: Bench) -> None:
    events = await bench.all(f"{LONG}, \u202eabc")

    (result,) = finished(events)
    assert result.output["status"] == "invalid"
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in str(result.output["issues"])
    assert not bench.approvals.drafts


async def test_a_zone_that_nobody_named_is_marked_as_assumed(bench: Bench) -> None:
    bench.time_zone, bench.time_zone_assumed = "UTC", True

    (approval,) = await bench.paused("every weekday at 9 summarise the news")

    preview = bench.approvals.drafts[approval].preview
    assert preview["time_zone_assumed"] is True
    assert preview["notes"] == ["No time zone was named, so UTC is assumed."]


async def test_a_zone_that_was_named_is_not_assumed(bench: Bench) -> None:
    bench.time_zone, bench.time_zone_assumed = "UTC", True

    (approval,) = await bench.paused(WEEKDAYS)

    assert bench.approvals.drafts[approval].preview["time_zone_assumed"] is False


async def test_a_frequent_schedule_is_estimated(bench: Bench) -> None:
    (approval,) = await bench.paused("every minute tell me a joke")

    consequences = bench.approvals.drafts[approval].context["consequences"]
    assert consequences["runs_per_month"] == pytest.approx(43_200, rel=0.01)
    assert len(bench.approvals.drafts[approval].preview["slots"]) == 5


async def test_a_service_that_restarts_is_waited_for_with_the_same_request(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")
    bench.automations.failures = [errors.PeerUnavailable("automation_service")] * 3

    events = await bench.all(decided_approvals=[approval])

    assert finished(events)[0].output["status"] == "saved"
    assert list(bench.automations.saved) == [approval]
    assert bench.automations.creates == 4


async def test_a_service_that_stays_away_is_an_error_and_no_end_of_the_turn(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")
    bench.automations.failures = [errors.PeerUnavailable("automation_service")] * 99

    events = await bench.all(decided_approvals=[approval])

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert sum(bench.waits.seconds) >= 60
    assert "went wrong" in text_of(events)


async def test_a_payload_that_no_longer_fits_is_invalid(bench: Bench) -> None:
    (approval,) = await bench.paused(WEEKDAYS)
    bench.approvals.decide(approval, "approved")
    bench.automations.failures = [errors.invalid("definition.plan[0].action", "is gone")]

    events = await bench.all(decided_approvals=[approval])

    assert finished(events)[0].output == {
        "status": "invalid",
        "issues": ["definition.plan[0].action: is gone"],
    }


async def test_a_draft_survives_a_crash_before_it_is_stored(bench: Bench) -> None:
    class Slow(MemoryApprovals):
        async def store(self, turn: UUID, draft: ApprovalDraft) -> StoredApproval:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    reached = asyncio.Event()
    kept, bench.approvals = bench.approvals, Slow()
    task = asyncio.create_task(bench.all(WEEKDAYS))
    await asyncio.wait_for(reached.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.approvals = kept

    assert await bench.paused(WEEKDAYS)
    assert len(bench.demo.controls.log("drafter")) == 1


async def test_a_tool_that_breaks_becomes_an_answer(bench: Bench) -> None:
    class Broken(MemoryApprovals):
        async def find(self, turn: UUID, key: str) -> StoredApproval | None:
            raise KeyError("a secret of ours")

    bench.approvals = Broken()
    events = await bench.all(WEEKDAYS)

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert "secret" not in str(result.output)
    assert text_of(events)


@pytest.mark.parametrize("intent", ['[{"name":"create_automation","args":{}}]'])
async def test_a_call_without_an_intent_is_answered(bench: Bench, intent: str) -> None:
    events = await bench.all(f"go <<calls={intent}>>")

    assert finished(events)[0].ok is False
    assert text_of(events)


def test_tasks_never_get_chats_own_tools(bench: Bench) -> None:
    context = RunContext(
        runtime=bench.context(),
        model=bench.model(),
        task=TaskLimits(tools=(MAIN_AGENT[0].name,)),
        segment="",
    )

    with pytest.raises(errors.CapabilityGone):
        select_tools(context, {})
