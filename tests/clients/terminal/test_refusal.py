"""Refused decisions, in the words of the card."""

import copy
import re
from typing import Any

import pytest

from rota_client import errors
from rota_client.decisions import approve, edit
from rota_client.gen.google.protobuf import Struct
from rota_client.gen.rota.chat.v1 import Approval
from rota_client.terminal.card import rows
from rota_client.terminal.field import format_field
from rota_client.terminal.refusal import CardRefused, format_refusal, label_fields
from shared.json.json_path import read_path
from tests.automation_service.api import test_refusals as documented
from tests.clients.command import Editor, Rota
from tests.clients.frames import PAYLOAD, approval, completed, requested, suspended, text
from tests.clients.peer import Peer
from tests.support.system.automation import NEWS

PATH = re.compile(r"_|\[|\w\.\w")
TOOL = {"tool": "notes_write", "arguments": {"title": "a", "tags": ["b"]}}
LATE = "is past (it is 2026-11-23T08:00:00Z), so it would never fire"


def card(payload: dict[str, Any], name: str = "a", kind: str = "automation_create") -> Approval:
    return Approval(
        name=name, action_type=kind, summary=f"Card {name}", payload=Struct.from_dict(payload)
    )


def full() -> dict[str, Any]:
    """The example of the documented refusals, with what it leaves at its default."""
    made = copy.deepcopy(NEWS)
    step = {"step_id": "sorry", "action": "agent_task", "config": {"prompt": "p"}}
    made["definition"] |= {
        "execution": {"max_retries": 1, "on_failure": [step]},
        "schema_version": 1,
        "colour": "red",
    }
    made["colour"] = "red"
    # a second trigger and a second step, which two rows of the refusals add
    made["definition"]["triggers"].append({"trigger_id": "evenings", "type": "schedule"})
    made["definition"]["plan"].append({**step, "step_id": "more"})
    return made


@pytest.mark.parametrize("field", sorted({row[2] for row in documented.rows()}))
def test_a_refused_field_is_named_as_a_row_of_the_card(field: str) -> None:
    payload = full()
    said = format_field(field, payload)
    label, _, detail = said.partition(", ")
    shown, name = [], ""
    for own_name, content in rows(card(payload)):
        name = own_name or name  # of several rows the first has the name of all
        shown.append(f"{name} {content}")
    assert any(row.startswith(label) for row in shown), said
    assert not PATH.search(label), said
    leaf = str(read_path(field)[-1])
    if detail and not leaf.isdecimal():
        assert detail.endswith(leaf.replace("_", " ")), said


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("", "Card"),
        ("display_name", "Name"),
        ("definition", "Definition"),
        ("definition.name", "Its name"),
        ("definition.triggers", "Starts by"),
        ("definition.triggers[0].config.end_time", "Starts by mornings, end time"),
        ("definition.triggers[0].static_inputs.my_topic", "Starts by mornings, with my_topic"),
        ("definition.triggers[7].config.cron", "Starts by 8, cron"),
        ("definition.plan[0].config.tools[1]", "Does 1. news, tools 2"),
        ("definition.plan[0].max_retries", "Does 1. news, max retries"),
        ("definition.execution.on_failure[0].step_id", "On failure 1. sorry, step id"),
        ("definition.execution.budget_cap_usd", "Limits, budget cap usd"),
        ("definition.inputs.schema.properties.my_topic", "Inputs, schema properties my_topic"),
        ("definition.metadata.room_7.size", "Metadata, room_7 size"),
        ("etag", "Etag"),
        ("definition.plan.config", "Does"),
    ],
)
def test_each_kind_of_field_has_its_words(field: str, said: str) -> None:
    assert format_field(field, full()) == said


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("decisions[1].edit.payload.definition.goal", "Card b: Goal"),
        ("decisions[1].edit.payload", "Card b: Card"),
        ("decisions[0].edit.payload.arguments.tags[0]", "Card a: With, arguments tags 1"),
        ("decisions[0].edit.payload.tool", "Card a: With, tool"),
        ("decisions[0].reject.reason", "Card a: Reject reason"),
        ("decisions[0].payload_digest", "Card a: Payload digest"),
        ("decisions", "Decisions"),
        ("request_id", "Request id"),
    ],
)
def test_any_field_of_a_decision_is_said_in_words(field: str, said: str) -> None:
    cards = {"a": card(TOOL, "a", "tool_call"), "b": card(PAYLOAD, "b")}
    decisions = [approve(cards["a"]), edit(cards["b"], PAYLOAD)]
    violation = errors.Violation(field=field, description="d", reason="invalid")
    with pytest.raises(CardRefused) as refused, label_fields(cards, decisions):
        raise errors.InvalidArgument("1 field is invalid", violations=[violation])
    assert [v.field for v in refused.value.violations] == [said]
    at_fault = {"0": {"a"}, "1": {"b"}}.get(field.partition("[")[2][:1], set())
    assert refused.value.approvals == at_fault
    assert str(refused.value) == "1 field is invalid"


def test_a_refused_card_is_told_once_and_in_its_own_words() -> None:
    cards = {"a": card(full(), "a")}
    path = "definition.triggers[0].config.cron"
    wrong = {path: "'61' is not valid", "display_name": f"is not as {path}"}
    violations = [
        errors.Violation(field=f"decisions[0].edit.payload.{field}", description=description)
        for field, description in wrong.items()
    ]
    said = [
        "Starts by mornings, cron: '61' is not valid",
        "Name: is not as Starts by mornings, cron",
    ]
    for count, lines in ((1, said[:1]), (2, ["2 values are invalid", *said])):
        first = violations[0]
        with (
            pytest.raises(CardRefused) as refused,
            label_fields(cards, [edit(cards["a"], full())]),
        ):
            raise errors.InvalidArgument(
                f"{first.field}: {first.description}", violations=violations[:count]
            )
        assert format_refusal(refused.value) == lines


@pytest.mark.parametrize(
    ("field", "said", "named"),
    [
        ("resume_time", "is past (it is 2026-11-23T08:00:00Z)", "--until"),
        ("start_time", "is required in a range", "--from"),
        ("end_time", "is not after the start of the range", "--to"),
        ("slots[1]", "is no slot of this automation", "--slot"),
        ("names", "does not end in a UUID", "ITEM"),
    ],
)
def test_what_a_person_gave_is_named_as_its_option(field: str, said: str, named: str) -> None:
    violation = errors.Violation(field=field, description=said)
    refused = errors.InvalidArgument(f"{field}: {said}", violations=[violation])
    assert format_refusal(refused) == [f"{named}: {said}"]


def test_a_skip_whose_time_has_come_is_refused_in_its_own_words() -> None:
    said = "the time to skip has come; ask again for the next"
    skip = card({"name": "a", "slot_time": "2026-11-23T08:00:00Z"}, kind="automation_skip")
    path = "decision.edit.payload.slot_time"
    violation = errors.Violation(field=path, description=said, reason="invalid")
    refused = errors.InvalidArgument(f"{path}: {said}", violations=[violation])
    with pytest.raises(CardRefused) as caught, label_fields({"a": skip}, [approve(skip)]):
        raise refused
    assert format_refusal(caught.value) == [f"Skip: {said}"]


@pytest.mark.parametrize("message", ["a.b: is wrong (and 41 more)", "no"])
def test_a_list_that_is_cut_says_how_many_more_there_are(message: str) -> None:
    violation = errors.Violation(field="a.b", description="is wrong")
    refused = errors.InvalidArgument(
        message, violations=[violation], metadata={"more_violations": "41"}
    )
    lines = format_refusal(refused)
    assert lines[0] == ("no" if message == "no" else "42 values are invalid")
    assert lines[-1] == "and 41 more"
    assert len(lines) == 3


@pytest.fixture
def late(peer: Peer) -> Peer:
    """A peer with a card that comes too late as long as it fires at nine."""
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    peer.chat.segments.extend(
        [[requested(wanted), suspended(wanted)], [text("Saved."), completed()]]
    )
    peer.chat.fault = "NEVER_FIRES"
    peer.chat.check = lambda payload: (
        {"definition.triggers[0].config.end_time": LATE}
        if payload["definition"]["triggers"][0]["config"]["cron"].startswith("0 9")
        else {}
    )
    return peer


SAID = (
    "Error: it would never fire any more: reject it, or edit its card in `rota chat` or on the page"
    " (INVALID_REQUEST)\n"
    f"  Starts by weekdays, end time: {LATE}\n"
)


def test_a_card_that_is_too_late_says_so_and_can_be_edited(
    rota_command: Rota, late: Peer, editor: Editor
) -> None:
    env = editor("payload['definition']['triggers'][0]['config']['cron'] = '0 10 * * *'")
    done = rota_command("chat", typed="every weekday at nine\na\ne\na\n", **env)
    assert done.exit_code == 0, done.output
    assert done.stderr == SAID
    assert done.stdout.endswith("Saved.\n")


def test_a_script_that_approves_too_late_is_told_so(rota_command: Rota, late: Peer) -> None:
    sent = rota_command("chat", "--message", "every weekday at nine", "--approve")
    assert (sent.exit_code, sent.stderr) == (1, SAID)
    decided = rota_command("approve", "a1")
    assert (decided.exit_code, decided.stderr) == (1, SAID)
    assert rota_command("reject", "a1").exit_code == 0
