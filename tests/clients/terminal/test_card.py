"""The card in a terminal: what a person sees of each kind of act."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from rota_client.gen.google.protobuf import Struct
from rota_client.gen.rota.chat.v1 import Approval, ApprovalState, Preview, PreviewSlot
from rota_client.terminal.card import card
from rota_client.terminal.formatting import sanitize
from tests.support.calls.payloads import KINDS, payload, texts

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def shown(approval: Approval, width: int = 120, now: datetime = NOW) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(card(approval, now=now))
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def asked(action_type: str, payload: dict[str, Any], context: dict[str, Any]) -> Approval:
    slot = PreviewSlot(
        trigger_id="t",
        fire_time=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
        local_time="2026-11-23T10:30",
        time_zone="Europe/Paris",
        utc_offset=timedelta(hours=1),
    )
    return Approval(
        name="workspaces/w/approvals/a",
        state=ApprovalState.PENDING,
        action_type=action_type,
        summary="Change News: At 10:30, Europe/Paris",
        payload=Struct.from_dict(payload),
        context=Struct.from_dict(context),
        preview=Preview(summary="At 10:30, Europe/Paris", slots=[slot]),
        expire_time=datetime(2026, 11, 30, tzinfo=UTC),
    )


def test_a_change_shows_what_differs_and_when_it_fires() -> None:
    cron = "definition.triggers[0].config.cron"
    changed = [
        {"path": cron, "before": "0 9 * * *", "after": "30 10 * * *"},
        {"path": "description", "after": "Later."},
    ]
    text = shown(
        asked(
            "automation_update",
            {"name": "workspaces/w/automations/a", "etag": "e", "definition": {"plan": []}},
            {
                "difference": changed,
                "change": "Run it 10:30.",
                "fires": {"before": {"summary": "At 09:00"}},
            },
        )
    )
    assert "Starts by 1, cron: 0 9 * * * → 30 10 * * *" in text
    assert "What: nothing → Later." in text
    assert "config.cron" not in text
    assert "Mon 2026-11-23 10:30" in text
    assert '"plan"' not in text
    assert "Run it 10:30." in text
    assert "At 09:00" in text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"at": "2027-03-01T09:00"}, "once at 2027-03-01T09:00 in Europe/Paris"),
        (
            {"every": {"unit": "weeks", "count": 2, "anchor": "2027-03-02T09:00"}},
            "every 2 weeks from 2027-03-02T09:00 in Europe/Paris",
        ),
        # what is no schedule of ours is shown as it is
        ({"every": {"unit": "weeks", "more": "1"}}, '"more": "1"'),
        ({"cron": "0 9 * * *", "at": "2027-03-01T09:00"}, "0 9 * * * and once at 2027-03-01T09:00"),
    ],
)
def test_each_form_of_a_schedule_is_shown(form: dict[str, Any], said: str) -> None:
    config = {"timezone": "Europe/Paris", "excluded_dates": ["2027-12-24", "2027-12-25"], **form}
    trigger = {"trigger_id": "t", "type": "schedule", "config": config}
    text = shown(asked("automation_create", {"definition": {"triggers": [trigger]}}, {}))
    assert said in text
    assert "2027-12-25" in text


def test_an_act_of_another_kind_shows_its_payload() -> None:
    text = shown(asked("automation_pause", {"name": "a", "note": "away"}, {}))
    assert '"note": "away"' in text
    assert "Won't run Mon 2026-11-23 10:30" in plain(text)
    text = plain(shown(asked("automation_skip", {"name": "a", "note": ""}, {})))
    assert "After that Mon 2026-11-23 10:30" in text
    text = plain(shown(asked("automation_unskip", {"name": "a", "slots": []}, {})))
    assert "Runs then Mon 2026-11-23 10:30" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_every_text_of_a_payload_is_on_the_card(kind: str, seed: int) -> None:
    given = payload(kind, seed)
    for context in ({}, {"difference": [{"path": "a", "before": "b", "after": "c"}]}):
        seen = plain(shown(asked(kind, given, context), width=400))
        missing = [text for text in texts(given) if plain(sanitize(text)) not in seen]
        assert missing == []


def test_it_names_where_the_result_goes() -> None:
    slack = {
        "step_id": "send",
        "destination": "workspaces/w/destinations/team",
        "kind": "slack",
        "display_name": "Team\u202e",
        "host": "hooks.slack.com",
    }
    here = {"destination": "workspaces/w/threads/t", "kind": "thread", "display_name": "this one"}
    context = {"consequences": {"deliveries": [slack, here, {**slack, "step_id": "again"}]}}
    text = plain(shown(asked("automation_create", {"definition": {}}, context)))
    team = plain(sanitize(slack["display_name"]))
    assert f"Goes to {team} (slack, hooks.slack.com) this one (thread)" in text
    assert "deliveries" not in text

    nowhere = shown(asked("automation_create", {}, {"consequences": {"deliveries": []}}))
    assert "Goes to nowhere: it is read in the run only" in plain(nowhere)
    assert "Goes to" not in shown(asked("automation_pause", {}, {"consequences": {}}))


def test_a_step_and_a_change_of_it_call_each_place_by_its_name() -> None:
    here, plans = "workspaces/w/threads/t", "workspaces/w/threads/u"
    said = {here: "this conversation", plans: "Plans"}
    told = [
        {"destination": name, "kind": "thread", "display_name": called}
        for name, called in said.items()
    ]
    step = {"step_id": "send", "action": "deliver", "config": {"to": [here, plans, "other"]}}
    change = {"path": "definition.plan[0].config.to[1]", "after": plans}
    context = {"difference": [change], "consequences": {"deliveries": told}}
    approval = asked("automation_update", {"definition": {"plan": [step]}}, context)
    approval.turn = f"{here}/turns/1"
    text = plain(shown(approval, width=200))
    assert "to: this conversation, the conversation “Plans”, other" in text
    assert "nothing → the conversation “Plans”" in text
    assert here not in text


def test_a_change_of_where_it_goes_names_what_is_added_and_removed() -> None:
    mine = {"destination": "workspaces/w/destinations/a", "kind": "email", "display_name": "Mine"}
    team = {**mine, "kind": "slack", "display_name": "Team", "host": "slack.example"}
    change = {
        "path": "definition.plan[0].config.to",
        "before": ["workspaces/w/destinations/b"],
        "after": ["workspaces/w/destinations/a"],
        "added": [mine],
        "removed": [team],
    }
    only = {"path": "definition.plan[0].config.only", "after": "changed"}
    context = {"difference": [change, only]}
    text = plain(shown(asked("automation_update", {"definition": {}}, context), width=200))
    assert "also to Mine (email); no longer to Team (slack, slack.example)" in text
    assert "every time → only when it changes" in text
    assert "workspaces/w/destinations" not in text


def test_a_template_is_shown_with_its_fixed_inputs_filled_in() -> None:
    prompt = "Say {{ inputs.note }} in {{inputs['place'].name}}, {{ inputs.other }}, {{ run.id }}."
    definition = {
        "triggers": [{"static_inputs": {"note": "send the keys", "place": {"name": "Rome"}}}],
        "plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": prompt}}],
    }
    text = shown(asked("automation_create", {"definition": definition}, {}), width=300)
    assert prompt in text
    assert "Say send the keys in Rome, {{ inputs.other }}, {{ run.id }}." in text


def test_what_follows_says_on_whose_behalf_it_runs() -> None:
    for kind in ("automation_create", "automation_pause"):
        wanted = asked(kind, {}, {"consequences": {"runs_per_month": 22}})
        wanted.requested_by = "users/ada"
        text = plain(shown(wanted))
        assert "What follows runs per month: 22 It runs on behalf of ada. Expires" in text


def plain(text: str) -> str:
    """Without the frame of the card, and with any gap as one space."""
    return " ".join(text.replace("│", " ").split())


def test_a_question_shows_who_asks_what_and_which_fields_an_answer_has() -> None:
    asks = asked(
        "question",
        {"class": "second"},
        {"server": "desk", "tool": "desk_book", "message": "How many?", "warnings": ["Careful."]},
    )
    asks.payload_schema = Struct.from_dict(
        {
            "type": "object",
            "properties": {
                "seats": {"type": "integer", "minimum": 1, "description": "With a table"},
                "class": {"type": "string", "enum": ["first", "second"], "default": "second"},
            },
            "required": ["seats"],
        }
    )

    text = shown(asks)

    for part in (
        "How many?",
        "Careful.",
        "desk_book",
        "seats (type integer, minimum 1, required): With a table",
        "class (type string, enum first, second)",
    ):
        assert part in text


def test_a_moment_that_has_passed_while_a_card_waited_is_told() -> None:
    made = asked("automation_create", {"definition": {}}, {})
    after = NOW + timedelta(hours=2)

    assert "has passed" not in shown(made)
    assert "10:30  Europe/Paris (UTC+1), which has passed" in shown(made, now=after)
    made.state = ApprovalState.APPROVED
    assert "has passed" not in shown(made, now=after)


def test_a_card_with_a_warning_does_not_say_that_there_is_none() -> None:
    repaired = "The model's call was repaired: a comma was added."
    without: dict[str, Any] = {"consequences": {"warnings": []}}
    made = {**without, "warnings": [repaired]}

    assert "warnings: none" in shown(asked("automation_create", {"definition": {}}, without))
    text = shown(asked("automation_create", {"definition": {}}, made))
    assert repaired in text
    assert "warnings: none" not in text
