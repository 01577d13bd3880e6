"""Where results go: the word of a draft, the destinations of a drafter, the names on a card."""

from typing import Any
from uuid import uuid4

import pytest

from chat_service.runtime.ports import DestinationView, ThreadMessage
from chat_service.tools.automations.deliveries import (
    MAX_SHOWN,
    choose_destinations,
    describe_deliveries,
    format_destinations,
    list_threads,
    name_thread,
    thread_of,
)
from tests.chat_service.agent_bench import Bench, finished, text_of

HERE = "workspaces/dev/threads/t"
ELSEWHERE = "workspaces/dev/threads/u"
INBOX = "the inbox of the person it runs for"
NEWS = "every weekday at 9 in Paris summarise the news"


def destination(id_: str, kind: str, **more: Any) -> DestinationView:
    given = {"display_name": id_.capitalize(), "host": f"{kind}.example", "state": "active"}
    return DestinationView(
        name=f"workspaces/dev/destinations/{id_}", kind=kind, **{**given, **more}
    )


MAIL = destination("mine", "email", is_own=True)
SLACK = destination("team", "slack")


def delivering(*to: Any, **config: Any) -> dict[str, Any]:
    step = {"step_id": "send", "action": "deliver", "config": {"to": list(to), **config}}
    return {"display_name": "It", "definition": {"plan": [step]}}


def to_of(payload: Any) -> list[list[str]]:
    return [s["config"]["to"] for s in payload["definition"]["plan"] if s["action"] == "deliver"]


async def proposed(bench: Bench, text: str) -> Any:
    (approval,) = await bench.paused(text)
    return bench.approvals.drafts[approval]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (["thread"], [HERE]),
        (["inbox", "thread"], ["inbox", HERE]),
        (["thread", HERE, ELSEWHERE], [HERE, ELSEWHERE]),
        (["Thread", 3, None], ["Thread", 3, None]),
    ],
)
def test_the_threads_name_stands_in_place_of_the_word(written: list[Any], named: list[Any]) -> None:
    draft = delivering(*written)
    assert to_of(name_thread(draft, HERE)) == [named]
    assert to_of(draft) == [written]


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"definition": None},
        {"definition": {"plan": "deliver", "execution": 3}},
        {
            "definition": {
                "plan": [None, {"action": "deliver"}, {"action": "deliver", "config": []}]
            }
        },
        {"definition": {"plan": [{"action": "deliver", "config": {"to": "thread"}}]}},
        {"definition": {"plan": [{"action": "other", "config": {"to": ["thread"]}}]}},
    ],
)
def test_a_draft_of_another_form_stays_as_it_is(draft: dict[str, Any]) -> None:
    assert name_thread(draft, HERE) == draft
    assert list_threads(draft) == []


def test_steps_after_a_failure_deliver_too() -> None:
    step = delivering("thread")["definition"]["plan"][0]
    payload = {"definition": {"plan": [], "execution": {"on_failure": [step]}}}
    assert list_threads(name_thread(payload, HERE)) == [HERE]


def test_a_thread_is_that_of_its_turns() -> None:
    assert thread_of(f"{HERE}/turns/1") == HERE
    assert thread_of("turns/1") == ""


def test_a_card_names_each_destination_with_its_kind_and_host() -> None:
    gone = "workspaces/dev/destinations/gone"
    payload = delivering(HERE, ELSEWHERE, "workspaces/dev/threads/v", "inbox", SLACK.name, gone)
    found = describe_deliveries(
        payload, [MAIL, SLACK], thread=HERE, titles={ELSEWHERE: "Plans", HERE: "News"}
    )
    assert [(one["display_name"], one["kind"], one.get("host")) for one in found] == [
        ("this conversation", "thread", None),
        ("Plans", "thread", None),
        ("Untitled thread", "thread", None),
        ("the inbox of the person it runs for", "inbox", None),
        ("Team", "slack", "slack.example"),
        ("a personal destination of another member", "", None),
    ]
    hers = destination("hers", "email", is_others=True)
    (seen,) = describe_deliveries(delivering(hers.name), [hers], thread=HERE, titles={})
    assert seen["display_name"] == "Hers, a personal destination of another member"
    (unseen,) = describe_deliveries(delivering(gone), [], thread=HERE, titles={}, is_accepted=False)
    assert unseen["display_name"] == "a destination that is gone, or another member's own"
    assert {one["step_id"] for one in found} == {"send"}


def test_of_very_many_destinations_those_that_were_named_come_first() -> None:
    many = [destination(f"d{number}", "slack") for number in range(MAX_SHOWN)]
    named = [destination("press", "email"), destination("ops", "ntfy")]
    chosen = choose_destinations([*many, *named], "Mail it to Press, or to ntfy.")
    assert chosen == [*named, *many[:-2]]
    assert choose_destinations(many, "Press") == many


def test_a_drafter_is_told_what_each_destination_is() -> None:
    paused = destination("old", "matrix", state="paused")
    new = destination("new", "email", state="unverified")
    found = format_destinations([MAIL, SLACK, paused, new], [HERE, SLACK.name, "inbox"])
    assert found.splitlines() == [
        "- `thread`: the conversation in which this was asked for",
        "- `inbox`: the person's inbox",
        "- `workspaces/dev/destinations/mine`: “Mine” (email, email.example, the person's own)",
        "- `workspaces/dev/destinations/team`: “Team” (slack, slack.example, shared by the "
        "workspace)",
        "- `workspaces/dev/destinations/old`: “Old” (matrix, matrix.example, shared by the "
        "workspace, paused: nothing is sent to it now)",
        "- `workspaces/dev/destinations/new`: “New” (email, email.example, shared by the "
        "workspace, not verified yet)",
        f"- `{HERE}`: a conversation that the automation delivers to already",
    ]


async def test_a_draft_delivers_to_the_conversation_that_it_was_asked_in(bench: Bench) -> None:
    draft = await proposed(bench, NEWS)

    assert to_of(draft.payload) == [[HERE]]
    consequences = draft.context["consequences"]
    assert [one["display_name"] for one in consequences["deliveries"]] == ["this conversation"]
    assert not any("nowhere" in warning for warning in consequences["warnings"])
    (asked,) = bench.demo.controls.log("drafter")
    assert "- `thread`: the conversation" in told(asked)


@pytest.mark.parametrize(
    ("said", "to"),
    [
        ("mail it to me", [HERE, MAIL.name]),
        ("mail it only to me", [MAIL.name]),
        ("just mail it to me", [MAIL.name]),
        ("mail it to me, not here", [MAIL.name]),
        ("send it to our Slack", [HERE, SLACK.name]),
        ("send it to our Slack too", [HERE, SLACK.name]),
        (
            "mail it to me, post it to Slack and put it in my inbox",
            [HERE, MAIL.name, SLACK.name, "inbox"],
        ),
    ],
)
async def test_a_draft_delivers_to_what_the_person_said(
    bench: Bench, said: str, to: list[str]
) -> None:
    bench.automations.destinations = [MAIL, SLACK]

    draft = await proposed(bench, f"{NEWS} and {said}")

    assert to_of(draft.payload) == [to]
    prompt = draft.payload["definition"]["plan"][0]["config"]["prompt"]
    assert prompt == "Summarise the news."


async def test_what_is_wanted_only_when_it_changes_says_so(bench: Bench) -> None:
    draft = await proposed(bench, f"{NEWS} and tell me only when it changes")
    assert draft.payload["definition"]["plan"][-1]["config"] == {"to": [HERE], "only": "changed"}


@pytest.mark.parametrize(
    ("said", "known", "warning"),
    [
        (
            "mail it to me",
            [],
            "It is not sent by e-mail, as there is no e-mail destination yet. Add one on the "
            "page “Destinations” or with `rota destinations add email`.",
        ),
        (
            "send it to our Slack",
            [MAIL],
            "It is not sent to Slack, as there is no Slack destination yet. Add one on the "
            "page “Destinations” or with `rota destinations add slack`.",
        ),
        (
            "send it to #results",
            [SLACK],
            "It is not sent to “#results”, as no destination is called so; there is “Team”. Add one"
            " on the page “Destinations” or with `rota destinations add`.",
        ),
    ],
)
async def test_what_is_to_go_where_nothing_is_comes_here_and_the_card_and_the_agent_say_so(
    bench: Bench, said: str, known: list[DestinationView], warning: str
) -> None:
    bench.automations.destinations = known

    (approval,) = await bench.paused(f"{NEWS} and {said}")

    draft = bench.approvals.drafts[approval]
    assert to_of(draft.payload) == [[HERE]]
    assert draft.context["warnings"] == [warning]
    bench.approvals.decide(approval, "approved")
    events = await bench.all(decided_approvals=[approval])
    (result,) = finished(events)
    assert result.output["not_sent"] == [warning]
    assert text_of(events).endswith(warning)


async def test_of_several_destinations_the_person_is_asked_and_answers(bench: Bench) -> None:
    other = destination("ops", "slack")
    bench.automations.destinations = [SLACK, other]

    events = await bench.all(f"{NEWS} and send it to our Slack")

    (result,) = finished(events)
    assert result.output["status"] == "invalid"
    question = text_of(events)
    assert question.startswith("Several destinations fit “slack”: “Team” (slack, ")
    messages = [
        ThreadMessage(id="m1", role="user", parts=[{"text": f"{NEWS} and send it to our Slack"}]),
        ThreadMessage(id="m2", role="agent", parts=[{"text": question}]),
        ThreadMessage(id="m3", role="user", parts=[{"text": "Ops"}]),
    ]
    bench.turn = uuid4()
    (approval,) = await bench.paused("", messages=messages)
    assert to_of(bench.approvals.drafts[approval].payload) == [[HERE, other.name]]


async def test_a_place_that_gets_the_result_already_is_said_to(bench: Bench) -> None:
    bench.automations.destinations = [MAIL]
    await saved(bench, f"{NEWS} and mail it to me")

    events = await bench.all("mail summarise the news to me too")

    (result,) = finished(events)
    assert result.output["status"] == "unchanged"
    assert "“Summarise the news” is like that already" in text_of(events)


async def test_a_plan_that_delivers_nowhere_says_so(bench: Bench) -> None:
    draft = await proposed(bench, f"{NEWS} and send it nowhere")

    assert to_of(draft.payload) == []
    consequences = draft.context["consequences"]
    assert consequences["deliveries"] == []
    assert any("delivered nowhere" in warning for warning in consequences["warnings"])


async def saved(bench: Bench, text: str) -> str:
    (approval,) = await bench.paused(text)
    bench.approvals.decide(approval, "approved")
    (result,) = finished(await bench.all(decided_approvals=[approval]))
    bench.turn = uuid4()
    bench.demo.controls.reset()
    return result.resource


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("send summarise the news to Slack too", [HERE, SLACK.name]),
        ("mail summarise the news to me instead", [MAIL.name]),
        ("put summarise the news in my inbox as well", [HERE, "inbox"]),
    ],
)
async def test_a_delivery_is_changed_by_talking(bench: Bench, change: str, to: list[str]) -> None:
    bench.automations.destinations = [MAIL, SLACK]
    await saved(bench, NEWS)

    draft = await proposed(bench, change)

    assert draft.action_type == "automation_update"
    assert to_of(draft.payload) == [to]
    (changed,) = draft.context["difference"]
    assert changed["path"] == "definition.plan[1].config.to"
    called = {HERE: "this conversation", SLACK.name: "Team", MAIL.name: "Mine", "inbox": INBOX}
    for side, names in (("added", set(to) - {HERE}), ("removed", {HERE} - set(to))):
        found = changed.get(side, [])
        assert {one["display_name"] for one in found} == {called[name] for name in names}
    (asked,) = bench.demo.controls.log("drafter")
    assert f"- `{HERE}`: a conversation that the automation delivers to already" in told(asked)


async def test_what_is_not_wanted_any_more_is_left_out(bench: Bench) -> None:
    bench.automations.destinations = [MAIL]
    await saved(bench, f"{NEWS} and mail it to me too")

    draft = await proposed(bench, "don't mail summarise the news")

    assert to_of(draft.payload) == [[HERE]]
    (changed,) = draft.context["difference"]
    assert "added" not in changed
    assert changed["removed"] == [
        {"destination": MAIL.name, "kind": "email", "display_name": "Mine", "host": "email.example"}
    ]


async def test_a_step_that_goes_names_what_gets_nothing_any_more(bench: Bench) -> None:
    bench.automations.destinations = [MAIL]
    await saved(bench, f"{NEWS} and mail it only to me")

    draft = await proposed(bench, "don't mail summarise the news")

    (changed,) = draft.context["difference"]
    assert [one["display_name"] for one in changed["removed"]] == ["Mine"]


def told(seen: Any) -> str:
    return "\n".join(seen.texts)
