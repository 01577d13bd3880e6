"""The drafter's model: what it answers, refuses or leaves unfinished, and what becomes of it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from chat_service.llm.usage import estimate_text_tokens
from chat_service.runtime.events import AgentEvent, RunPaused
from shared.json import json_schema
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

SCHEDULE: Final = {"cron": "0 9 * * *", "timezone": "UTC"}
STEP: Final = {"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}


def draft(**changed: Any) -> dict[str, Any]:
    triggers = [{"trigger_id": "t", "type": "schedule", "config": SCHEDULE}]
    definition = {"triggers": triggers, "plan": [STEP], **changed.pop("definition", {})}
    return {"display_name": "Joke", "definition": definition, **changed}


def whole(value: Mapping[str, Any] | None, *issues: str) -> Reply:
    return [says(json.dumps({"draft": value, "issues": issues})), ends(), DONE]


def text(said: str, reason: str = "stop") -> Reply:
    return [says(said), ends(reason), DONE]


TEXT: Final = json.dumps(draft())
Asked = Callable[[], list[dict[str, Any]]]


async def drafted(
    bench: Bench, *answers: Reply, tool: str = "create_automation", **arguments: str
) -> tuple[list[AgentEvent], list[dict[str, Any]]]:
    """Returns the events, and the requests to the drafter's model, each answered by one answer."""
    given = json.dumps(arguments or {"intent": "a joke"})
    calling = [calls(call(tool, given, index=0, id="c")), ends("tool_calls"), DONE]

    async with scripted_model(calling, *answers, text("So be it.")) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")
    return events, _of_drafter(model)


def _of_drafter(model: ScriptedModel) -> list[dict[str, Any]]:
    return [one for one in model.asked if "response_format" in one]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (text(TEXT[:-9], "length"), "was cut off before its end"),
        (text(TEXT, "length"), "was cut off before its end"),
        (text("", "length"), "was cut off before its end"),
        (text(TEXT[:9], "content_filter"), "withheld the draft"),
        (text("", "SAFETY"), "withheld the draft"),
        ([says(None, refusal="I can't help with that."), ends(), DONE], "help with that."),
    ],
    ids=["cut", "whole and cut", "cut at once", "withheld", "withheld at once", "refused"],
)
@pytest.mark.parametrize("tool", ["create_automation", "update_automation"])
async def test_a_draft_that_was_cut_withheld_or_refused_is_said_to_be_and_made_once(
    bench: Bench, tool: str, answer: Reply, said: str
) -> None:
    arguments = {}
    if tool == "update_automation":
        name = await saved(bench)
        arguments = {"automation": name, "change": "at ten"}
    events, asked = await drafted(bench, answer, tool=tool, **arguments)

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "error")
    assert said in result.output["message"]
    assert "nothing was made" in result.output["message"]
    assert len(asked) == 1
    assert text_of(events) == "So be it."


@pytest.mark.parametrize(
    "answer",
    [
        whole(draft()),
        text(TEXT),
        text(f'{{"automation": {TEXT}}}'),
        text(f"```json\n{TEXT[:-1]}, // a joke\n}}\n```"),
        text(f'{{"draft": {TEXT}, /* whole */ "issues": [],}}'),
    ],
    ids=["as asked", "bare", "wrapped", "commented", "commas"],
)
async def test_a_draft_is_read_in_any_usual_wrapper(bench: Bench, answer: Reply) -> None:
    events, asked = await drafted(bench, answer)

    assert isinstance(events[-1], RunPaused)
    assert len(asked) == 1
    (card,) = bench.approvals.drafts.values()
    assert card.payload["display_name"] == "Joke"
    assert "warnings" not in card.context


def delivering(*to: str) -> dict[str, Any]:
    deliver = {"step_id": "d", "action": "deliver", "config": {"to": to}}
    return draft(definition={"plan": [STEP, deliver]})


async def test_a_destination_that_is_made_up_is_corrected(bench: Bench) -> None:
    made_up = whole(delivering("workspaces/dev/destinations/slack"))
    _, asked = await drafted(bench, made_up, whole(delivering("thread")))

    correction = asked[1]["messages"][-1]["content"]
    assert "definition.plan[1].config.to[0]" in correction
    assert "in place of one that is not there write `thread`" in correction
    (card,) = bench.approvals.drafts.values()
    assert card.payload["definition"]["plan"][1]["config"] == {"to": ["workspaces/dev/threads/t"]}


NO_SLACK: Final = "There is no Slack among the destinations."
TO_SLACK: Final = "Every day at 9 a joke, and send it to our Slack."


async def test_a_model_that_writes_no_draft_for_want_of_a_destination_is_told_to_write_one(
    bench: Bench,
) -> None:
    noted = whole(delivering("thread"), NO_SLACK)
    _, asked = await drafted(bench, whole(None, NO_SLACK), noted, intent=TO_SLACK)

    assert "is no reason to write no draft" in asked[1]["messages"][-1]["content"]
    (card,) = bench.approvals.drafts.values()
    (warning,) = card.context["warnings"]  # which the model's own words would say again
    assert warning.startswith("It is not sent to Slack, as there is no Slack destination yet.")


@pytest.mark.parametrize(
    ("intent", "issues"),
    [(TO_SLACK, [NO_SLACK, "The page is missing."]), ("Every day at 9 a joke.", [NO_SLACK])],
)
async def test_what_else_is_missing_is_told_at_once(
    bench: Bench, intent: str, issues: list[str]
) -> None:
    events, asked = await drafted(bench, whole(None, *issues), intent=intent)

    (result,) = finished(events)
    assert (result.output["issues"], len(asked)) == (issues, 1)


async def test_a_change_for_want_of_a_destination_is_not_insisted_on(bench: Bench) -> None:
    name = await saved(bench)
    events, asked = await drafted(
        bench,
        whole(None, NO_SLACK),
        tool="update_automation",
        automation=name,
        change="send it to Slack too",
    )

    (result,) = finished(events)
    assert (result.output["issues"], len(asked)) == ([NO_SLACK], 1)


async def test_what_a_drafter_may_write_is_listed_and_no_thread_by_its_name(bench: Bench) -> None:
    _, (asked,) = await drafted(bench, whole(delivering("thread", "inbox")))

    schema = json.dumps(asked["response_format"])
    assert '"enum": ["thread", "inbox"]' in schema
    assert "workspaces/dev/threads" not in json.dumps(asked)


async def test_what_is_missing_is_told_and_no_other_draft_is_made(bench: Bench) -> None:
    events, asked = await drafted(bench, whole(None, "The page is missing.", "The time is, too."))

    (result,) = finished(events)
    assert result.output == {
        "status": "invalid",
        "issues": ["The page is missing.", "The time is, too."],
    }
    assert len(asked) == 1


async def test_what_a_model_notes_beside_a_draft_is_on_the_card(bench: Bench) -> None:
    await drafted(bench, whole(draft(), "The zone is assumed."))

    (card,) = bench.approvals.drafts.values()
    assert card.context["warnings"] == ["The model notes: The zone is assumed."]


async def test_every_fault_is_told_at_once_with_what_mends_it(bench: Bench) -> None:
    bad = {
        "colour": "red",
        "triggers": [{"type": "schedule", "config": {"cron": "0 0 9 * * *"}}],
        "plan": [{**STEP, "config": {"prompt": "REPLACE_ME", "tools": ["teleport"]}}, STEP],
    }
    events, asked = await drafted(
        bench, whole({"definition": bad}), whole(draft(definition={"triggers": []})), whole(draft())
    )

    assert isinstance(events[-1], RunPaused)
    first, second = asked[1]["messages"][-1]["content"], asked[2]["messages"][-1]["content"]
    for field, remedy in (
        ("display_name", "add it"),
        ("definition.colour", "leave it out"),
        ("definition.triggers[0].trigger_id", "add it"),
        ("definition.triggers[0].config.timezone", "add it"),
        ("definition.triggers[0].config.cron", "exactly five fields"),
        ("definition.plan[0].config.tools[0]", "or leave it out"),
    ):
        (line,) = [one for one in first.split("\n") if one.startswith(f"- {field}: ")]
        assert remedy in line
    assert "definition.triggers: has no trigger, so it would never run; add one" in second


async def test_a_time_that_is_past_is_told_with_the_other_faults(bench: Bench) -> None:
    past = {**SCHEDULE, "end_time": "2020-01-01T00:00:00Z"}
    triggers = [{"trigger_id": "t", "type": "schedule", "config": past}]
    definition = {"triggers": triggers, "goal": "REPLACE_ME"}
    _, asked = await drafted(bench, whole(draft(definition=definition)), whole(draft()))

    told = asked[1]["messages"][-1]["content"]
    assert "definition.triggers[0].config.end_time: is past" in told
    assert "definition.goal: REPLACE_ME is still to be filled in" in told


async def test_a_draft_without_a_trigger_reaches_no_card(bench: Bench) -> None:
    events, asked = await drafted(bench, *[whole(draft(definition={"triggers": []}))] * 3)

    (result,) = finished(events)
    assert result.output["status"] == "invalid"
    assert "has no trigger" in result.output["issues"][0]
    assert (len(asked), bench.approvals.drafts) == (3, {})


async def saved(bench: Bench) -> str:
    """Returns the name of an automation; the bench goes on in another turn."""
    await drafted(bench, whole(draft()))
    (approval,) = bench.approvals.drafts
    bench.approvals.decide(approval, "approved")
    async with scripted_model(text("Done.")) as model:
        bench.ask_at(model.base_url)
        (result,) = finished(await bench.all(decided_approvals=[approval]))
    bench.approvals.drafts.clear()
    bench.turn = uuid4()
    return result.resource


async def test_a_change_that_takes_the_last_trigger_away_reaches_no_card(bench: Bench) -> None:
    name = await saved(bench)
    bare = whole(draft(definition={"triggers": []}))
    events, _ = await drafted(
        bench, *[bare] * 3, tool="update_automation", automation=name, change="never"
    )

    (result,) = finished(events)
    assert result.output["status"] == "invalid"
    assert "has no trigger" in result.output["issues"][0]
    assert bench.approvals.drafts == {}


async def test_the_schema_that_is_asked_is_the_one_that_is_checked(bench: Bench) -> None:
    _, (asked,) = await drafted(bench, whole(draft()))
    schema = asked["response_format"]["json_schema"]["schema"]

    assert "$defs" not in json.dumps(asked["messages"]), "the schema is said once"
    assert json_schema.find_faults(schema, {"draft": draft(), "issues": []}) == []
    assert json_schema.find_faults(schema, {"draft": None, "issues": ["when?"]}) == []
    for bad in (draft(definition={"triggers": []}), {"definition": draft()["definition"]}):
        assert json_schema.find_faults(schema, {"draft": bad, "issues": []})


@pytest.mark.parametrize(("context", "most"), [(4_000, 3), (1_500, 0)])
async def test_the_corrections_of_a_draft_stay_within_a_small_context(
    bench: Bench, context: int, most: int
) -> None:
    calling = [calls(call("create_automation", '{"intent": "a joke"}', index=0, id="c")), DONE]
    words = text("I would rather talk about it. " * 200)
    async with scripted_model(calling, *[words] * most, text("So be it.")) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go", model=bench.model(context_tokens=context))

    (result,) = finished(events)
    drafting = [one for one in model.sent if "tools" not in one]
    assert len(drafting) == most
    assert max(map(estimate_text_tokens, model.sent)) < context
    assert all(json.dumps(one).count("trigger_id") < 12 for one in drafting)
    assert len({len(one["messages"]) for one in drafting[1:]}) <= 1
    said = json.dumps(result.output)
    assert ("context is too small to write a draft" in said) is not most
    assert text_of(events) == "So be it."
