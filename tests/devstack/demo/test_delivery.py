"""Words that say where a result is sent, and when → what the demo model makes of them."""

from typing import Any

import pytest

from devstack.demo.delivery import (
    DeliveryWish,
    NoSuchPlace,
    change_steps,
    extract_delivery,
    find_step,
    is_delivery,
)

MAIL, SLACK, OTHER = (f"workspaces/w/destinations/{name}" for name in ("mine", "team", "other"))
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
        (DeliveryWish(to=("email",)), [MAIL]),
        (DeliveryWish(to=("email",), adds=True), ["thread", MAIL]),
        (DeliveryWish(to=("team", "inbox")), [SLACK, "inbox"]),
    ],
)
def test_a_new_automation_delivers_to_what_was_said(wish: DeliveryWish, to: list[str]) -> None:
    assert find_step(wish, SYSTEM) == step(*to)


def test_without_a_wish_or_without_the_action_there_is_no_step() -> None:
    assert find_step(DeliveryWish(nowhere=True), SYSTEM) is None
    assert find_step(DeliveryWish(to=("email",)), "- `agent_task`: Does it.") is None


def test_a_place_that_is_not_there_or_is_one_of_several_is_said() -> None:
    with pytest.raises(NoSuchPlace, match="in the settings, under Destinations"):
        find_step(DeliveryWish(to=("matrix",)), SYSTEM)
    with pytest.raises(NoSuchPlace, match="Several destinations fit “slack”: “Team”"):
        find_step(DeliveryWish(to=("slack",)), SYSTEM)


@pytest.mark.parametrize(
    ("before", "wish", "after"),
    [
        ([step("t")], DeliveryWish(to=("ops",), adds=True), [step("t", OTHER)]),
        ([step("t", MAIL)], DeliveryWish(not_to=("email",)), [step("t")]),
        ([step(MAIL)], DeliveryWish(not_to=("email",)), []),
        ([step("t")], DeliveryWish(to=("email",), replaces=True), [step(MAIL)]),
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
    assert change_steps([TASK, *before], wish, SYSTEM) == [TASK, *after]
