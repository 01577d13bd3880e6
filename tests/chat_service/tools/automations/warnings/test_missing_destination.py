"""Destinations that words name and that there are none of are warned of."""

from typing import Any

import pytest

from chat_service.runtime.ports import DestinationView
from chat_service.tools.automations.warnings.missing_destination import (
    DestinationWish,
    find_missing_destinations,
    keep_missing_destinations,
    read_wishes,
)

SLACK = DestinationView(
    name="workspaces/w/destinations/s",
    display_name="Team results",
    kind="slack",
    host="hooks.slack.com",
    state="active",
)
MAIL = DestinationView(
    name="workspaces/w/destinations/m",
    display_name="My mail",
    kind="email",
    host="example.org",
    state="active",
)


def payload(*to: str) -> dict[str, Any]:
    step = {"step_id": "d", "action": "deliver", "config": {"to": list(to)}}
    return {"definition": {"plan": [step]}}


@pytest.mark.parametrize(
    ("text", "wished"),
    [
        ("summarise the news and mail it to me", ["email"]),
        ("Summarise the news and send the summary to the person by e-mail.", ["email"]),
        ("every day at 9 mail me the news", ["email"]),
        ("Every day at 9, email the person a summary", ["email"]),
        ("send it to our Slack and to Discord", ["slack", "discord"]),
        ("post the new prices to our Teams channel", ["teams"]),
        ("write what is wrong there to our Matrix room", ["matrix"]),
        ("put it in our Slack", ["slack"]),
        ("send it to my phone via ntfy", ["ntfy"]),
        ("send it to #results", ["#results"]),
        ("mail it to bob@example.org", ["bob@example.org"]),
        ("send it only to “Ops”", ["Ops"]),
        # what is not wanted, and work that sounds alike
        ("don't mail it to me", []),
        ("stop sending it to Telegram", []),
        ("send it to Discord no longer", []),
        ("summarise my mails", []),
        ("tell me what happened in Slack", []),
        ("check whether a parcel came by mail", []),
        ("write a mail to the landlord", []),
    ],
)
def test_what_words_want_results_sent_to(text: str, wished: list[str]) -> None:
    assert [one.kind or one.name for one in read_wishes(text)] == wished


def test_what_is_there_is_not_warned_of() -> None:
    there = [SLACK, MAIL]
    for text in ("send it to Slack", "send it to #results", "mail it to ada@example.org"):
        assert list(find_missing_destinations(text, payload(), there)) == []
    (said,) = find_missing_destinations("mail it to ada@other.org", payload(), there)
    assert said == (
        "It is not sent to “ada@other.org”, as no destination is called so; there is “Team "
        "results”, “My mail”. Add one on the page “Destinations” or with `rota destinations "
        "add email`."
    )


def test_a_person_who_chooses_such_a_destination_on_the_card_is_warned_no_more() -> None:
    text = "mail it to me and send it to Discord"
    warnings = [*find_missing_destinations(text, payload(), []), "Another."]
    assert len(warnings) == 3
    assert keep_missing_destinations(warnings, text, payload(), []) == warnings[:2]
    assert keep_missing_destinations(warnings, text, payload(MAIL.name), [MAIL]) == warnings[1:2]
    assert keep_missing_destinations(warnings, "tell me", payload(), []) == []


def test_each_is_said_once() -> None:
    assert read_wishes("mail it to me by mail") == [DestinationWish(kind="email")]
