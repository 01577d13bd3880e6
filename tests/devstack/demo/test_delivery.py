"""Words that say where a result is sent, and when → what the demo model makes of them."""

from dataclasses import replace
from typing import Any

import pytest

from devstack.demo.delivery import (
    SEVERAL,
    DeliveryWish,
    SeveralPlaces,
    change_steps,
    choose_place,
    extract_delivery,
    find_step,
    is_delivery,
)

MAIL, SLACK, OTHER = (f"workspaces/w/destinations/{name}" for name in ("mine", "team", "other"))
HERE = "workspaces/w/threads/t"
SYSTEM = f"""- `deliver`: Sends the result.
- `thread`: the conversation in which this was asked for
- `inbox`: the person's inbox
- `{MAIL}`: “My mail” (email, example.org, the person's own)
- `{SLACK}`: “Team” (slack, hooks.slack.com, shared by the workspace)
- `{OTHER}`: “Ops” (slack, hooks.slack.com, shared by the workspace)
"""
TASK = {"step_id": "task", "action": "agent_task", "config": {"prompt": "A joke."}}


def step(*to: str, **more: str) -> dict[str, Any]:
    return {"step_id": "deliver", "action": "deliver", "config": {"to": list(to), **more}}


@pytest.mark.parametrize(
    ("text", "wish", "rest"),
    [
        ("summarise the news and mail it to me", {"to": ("email",)}, "summarise the news"),
        ("tell me a joke by e-mail", {"to": ("email",)}, "tell me a joke"),
        ("tell me a joke, send it to me by mail", {"to": ("email",)}, "tell me a joke"),
        (
            "tell me a joke and send it to our Slack channel too",
            {"to": ("slack",), "adds": True},
            "tell me a joke",
        ),
        ("tell me a joke and post it here", {"to": ("thread",)}, "tell me a joke"),
        ("summarise the news in my inbox", {"to": ("inbox",)}, "summarise the news"),
        ("tell me a joke and send it to “My mail”", {"to": ("My mail",)}, "tell me a joke"),
        ("check the queue and send it to ops", {"to": ("ops",)}, "check the queue"),
        (
            "check https://example.com and tell me only when it changes",
            {"only": "changed"},
            "check https://example.com",
        ),
        (
            "check the queue, only if there is something new",
            {"only": "when_not_empty"},
            "check the queue",
        ),
        ("tell me a joke and send it nowhere", {"nowhere": True}, "tell me a joke"),
        ("don't mail it", {"not_to": ("email",)}, ""),
        ("stop sending it to Slack", {"not_to": ("slack",)}, ""),
        ("mail it to me instead", {"to": ("email",), "replaces": True}, ""),
        (
            "tell me a joke and mail it only to me",
            {"to": ("email",), "replaces": True},
            "tell me a joke",
        ),
        ("tell me a joke and just mail it", {"to": ("email",), "replaces": True}, "tell me a joke"),
        ("tell me a joke only by mail", {"to": ("email",), "replaces": True}, "tell me a joke"),
        ("send it only to Slack", {"to": ("slack",), "replaces": True}, ""),
        ("mail it to me, not here", {"to": ("email",), "not_to": ("thread",)}, ""),
        ("at 9 mail me the news", {"to": ("email",)}, "at 9 the news"),
        (
            "tell me a joke and mail it to ada@example.org",
            {"to": ("ada@example.org",)},
            "tell me a joke",
        ),
        ("tell me a joke, send it to #results", {"to": ("#results",)}, "tell me a joke"),
        (
            "send it to Discord and to my phone too, only when it changes",
            {"to": ("discord", "phone"), "adds": True, "only": "changed"},
            "",
        ),
        ("send it to Slack and #results", {"to": ("slack", "#results")}, ""),
    ],
)
def test_what_is_said_of_the_delivery_is_taken_out_of_the_task(
    text: str, wish: dict[str, Any], rest: str
) -> None:
    assert extract_delivery(text) == (DeliveryWish(**wish), rest)
    assert is_delivery(text) == (not rest)


@pytest.mark.parametrize(
    "text",
    [
        "send the invoices",
        "say hello to teams",
        "send flowers to my mother",
        "write a mail to the landlord",
        "summarise the news of Slack",
        "water the plants in the house",
    ],
)
def test_work_that_sounds_alike_is_no_delivery(text: str) -> None:
    assert extract_delivery(text) == (DeliveryWish(), text)


@pytest.mark.parametrize(
    ("wish", "to"),
    [
        (DeliveryWish(), ["thread"]),
        (DeliveryWish(to=("email",)), ["thread", MAIL]),
        (DeliveryWish(to=("email",), replaces=True), [MAIL]),
        (DeliveryWish(to=("email",), not_to=("thread",)), [MAIL]),
        (DeliveryWish(to=("email",), adds=True), ["thread", MAIL]),
        (DeliveryWish(to=("team", "inbox")), ["thread", SLACK, "inbox"]),
        (DeliveryWish(to=("#team",)), ["thread", SLACK]),
    ],
)
def test_a_new_automation_delivers_to_what_was_said(wish: DeliveryWish, to: list[str]) -> None:
    assert find_step(wish, SYSTEM) == (step(*to), ())


def test_without_a_wish_or_without_the_action_there_is_no_step() -> None:
    assert find_step(DeliveryWish(nowhere=True), SYSTEM) == (None, ())
    assert find_step(DeliveryWish(to=("email",)), "- `agent_task`: Does it.") == (None, ())


@pytest.mark.parametrize("wish", [DeliveryWish(to=("matrix",)), DeliveryWish(to=("#results",))])
def test_a_place_that_is_not_there_is_said_and_the_conversation_stands_in(
    wish: DeliveryWish,
) -> None:
    for said in (wish, replace(wish, replaces=True)):
        made, (missing,) = find_step(said, SYSTEM)
        assert made == step("thread")
        assert missing.startswith(f"No destination is “{wish.to[0]}”; those there are: “My mail”")
        assert "Add one on the page “Destinations”." in missing


def test_of_several_places_the_person_is_asked() -> None:
    with pytest.raises(SeveralPlaces, match="Several destinations fit “slack”: “Team”"):
        find_step(DeliveryWish(to=("slack",)), SYSTEM)


@pytest.mark.parametrize(
    ("about", "chosen"),
    [
        (["example.org, the person's own, not verified yet", "example.org, the person's own"], 1),
        (["shared by the workspace", "shared by the workspace, paused: nothing is sent"], 0),
        (["shared by the workspace", "the person's own", "shared by the workspace"], 1),
        (["shared by the workspace, not verified yet"], 0),
    ],
)
def test_the_one_that_takes_results_or_is_the_persons_own_is_taken(
    about: list[str], chosen: int
) -> None:
    names = [f"workspaces/w/destinations/{number}" for number in range(len(about))]
    listed = "\n".join(
        f"- `{name}`: “Mail {number}” (email, {words})"
        for number, (name, words) in enumerate(zip(names, about, strict=True))
    )
    made, missing = find_step(DeliveryWish(to=("email",)), f"- `deliver`: Sends.\n{listed}")
    assert (made, missing) == (step("thread", names[chosen]), ())


@pytest.mark.parametrize(
    ("asked", "answer", "becomes"),
    [
        ("at 9 nap and mail it to me", "ada@here", "at 9 nap and send it to “ada@here”"),
        ("at 9 nap and mail it to me", "the second", "at 9 nap and send it to “ada@there”"),
        ("at 9 nap and mail it", "mail it to ada@there", "at 9 nap and send it to “ada@there”"),
        ("mail it to me only", "1", "send it to “ada@here” only"),
        ("mail the news to me", "the last one", "send the news to “ada@there”"),
        ("send the news to my mail too", "ada@here please", "send the news to my “ada@here” too"),
        ("at 9 mail me the news", "first", "at 9 the news and send it to “ada@here”"),
        ("mail it to me", "ada", ""),
        ("mail it to me", "what is the time?", ""),
    ],
)
def test_the_answer_to_its_own_question_is_understood(
    asked: str, answer: str, becomes: str
) -> None:
    question = f"{SEVERAL}email”: “ada@here” (email, here), “ada@there” (email, there). Which one?"
    assert choose_place(question, asked, answer) == becomes


@pytest.mark.parametrize(
    ("before", "wish", "after"),
    [
        ([step("t")], DeliveryWish(to=("ops",), adds=True), [step("t", OTHER)]),
        ([step("t", MAIL)], DeliveryWish(not_to=("email",)), [step("t")]),
        ([step(MAIL)], DeliveryWish(not_to=("email",)), []),
        ([step("t")], DeliveryWish(to=("email",), replaces=True), [step(MAIL)]),
        ([step(HERE, MAIL)], DeliveryWish(not_to=("thread",)), [step(MAIL)]),
        ([step("t")], DeliveryWish(only="changed"), [step("t", only="changed")]),
        ([], DeliveryWish(only="changed"), [step("thread", only="changed")]),
        ([], DeliveryWish(to=("inbox",)), [step("inbox")]),
        ([step("t"), step("u")], DeliveryWish(nowhere=True), []),
        (
            [step("t"), {**step("u"), "step_id": "more"}],
            DeliveryWish(to=("inbox",)),
            [step("t"), {**step("u", "inbox"), "step_id": "more"}],
        ),
    ],
)
def test_a_change_touches_the_last_delivery_only(
    before: list[dict[str, Any]], wish: DeliveryWish, after: list[dict[str, Any]]
) -> None:
    assert change_steps([TASK, *before], wish, SYSTEM) == ([TASK, *after], ())
