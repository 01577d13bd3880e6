"""What a person made of a payload: each kind of act has its own check."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_service.api.payload_check import PayloadCheck
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from shared import errors
from shared.clock import ManualClock
from shared.registries.catalogue import register_builtins
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.service_parts.checks import CHECKS
from tests.support.system.automation import news
from tests.support.system.chat import START

FIELD = "decisions[0].edit.payload"
PAUSE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"const": "workspaces/w/automations/a0"},
        "note": {"type": "string", "maxLength": 1_000},
    },
    "required": ["name"],
    "additionalProperties": False,
}


class OneModel:
    """The models of a service that has one."""

    async def find_id(self, name: str, *, workspace: str, user: str) -> int:
        if name != "large":
            raise errors.ModelGone(f"no model {name!r} is configured")
        return -1


@pytest.fixture
async def automations() -> MemoryAutomations:
    register_builtins()
    made = MemoryAutomations(now=START)
    payload = news(plan=[{"step_id": "a", "action": "agent_task", "config": {"prompt": "Go."}}])
    await made.create(workspace="w", user="ada", payload=payload, request_id=uuid4())
    return made


@pytest.fixture
def edited(automations: MemoryAutomations) -> PayloadCheck:
    return PayloadCheck(
        automations=automations, models=OneModel(), checks=CHECKS, clock=ManualClock(START)
    )


@pytest.fixture
def update(automations: MemoryAutomations) -> Approval:
    (name, held) = next(iter(automations.held.items()))
    return row("automation_update", {"name": name, "etag": "etag-1", **held.payload})


def row(
    action_type: str, payload: dict[str, Any], schema: dict[str, Any] | None = None
) -> Approval:
    return Approval(
        id=uuid4(),
        workspace_id="w",
        turn_id=UUID(int=0),
        key="k",
        segment=0,
        action_type=action_type,
        tool_call_id="call",
        summary="",
        payload=payload,
        payload_schema=schema or {},
        payload_digest="",
        context={},
        preview={},
        state=ApprovalState.PENDING,
        requested_by="ada",
        create_time=datetime.now(UTC),
        expire_time=datetime.now(UTC) + timedelta(days=7),
    )


async def refused(edited: PayloadCheck, asked: Approval, payload: dict[str, Any]) -> list[str]:
    with pytest.raises(errors.InvalidRequest) as found:
        await edited.check(asked, payload, FIELD)
    return [v.field for v in found.value.violations]


async def test_an_edited_change_comes_back_in_canonical_form(
    edited: PayloadCheck, update: Approval
) -> None:
    payload = {**update.payload, "description": "Later."}

    found = await edited.check(update, payload, FIELD)

    assert (found["description"], found["etag"]) == ("Later.", "etag-1")
    assert found["definition"] == update.payload["definition"]


async def test_the_violations_that_another_service_left_out_are_counted(
    edited: PayloadCheck,
    update: Approval,
    automations: MemoryAutomations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(**_: object) -> None:
        one = errors.FieldViolation(field="automation.definition.goal", description="is wrong")
        raise errors.InvalidRequest([one], more=41)

    monkeypatch.setattr(automations, "validate_update", refuse)
    with pytest.raises(errors.InvalidRequest) as found:
        await edited.check(update, update.payload, FIELD)
    assert [v.field for v in found.value.violations] == [f"{FIELD}.definition.goal"]
    assert found.value.metadata == {"violations": "42", "more_violations": "41"}
    assert found.value.message.endswith("(and 41 more)")


@pytest.mark.parametrize("held", ["name", "etag"])
async def test_which_automation_a_change_is_of_can_not_be_edited(
    edited: PayloadCheck, update: Approval, held: str
) -> None:
    assert await refused(edited, update, {**update.payload, held: "another"}) == [f"{FIELD}.{held}"]
    without = {key: value for key, value in update.payload.items() if key != held}
    assert await refused(edited, update, without) == [f"{FIELD}.{held}"]


async def test_an_invalid_change_names_the_field_where_it_stands(
    edited: PayloadCheck, update: Approval
) -> None:
    payload = {**update.payload, "definition": {**update.payload["definition"], "plan": []}}

    assert await refused(edited, update, payload) == [f"{FIELD}.definition.plan"]


async def test_an_edit_of_what_changed_meanwhile_is_told_so(
    edited: PayloadCheck, update: Approval, automations: MemoryAutomations
) -> None:
    automations.held[update.payload["name"]].version += 1

    with pytest.raises(errors.EtagMismatch):
        await edited.check(update, dict(update.payload), FIELD)


async def test_the_note_of_a_pause_may_be_edited_and_nothing_else(edited: PayloadCheck) -> None:
    name = "workspaces/w/automations/a0"
    asked = row("automation_pause", {"name": name, "note": ""}, PAUSE)

    assert await edited.check(asked, {"name": name, "note": "away"}, FIELD) == {
        "name": name,
        "note": "away",
    }
    assert await refused(edited, asked, {"name": "another", "note": ""}) == [f"{FIELD}.name"]
    assert await refused(edited, asked, {"name": name, "note": "x" * 1_001}) == [f"{FIELD}.note"]
    assert await refused(edited, asked, {"name": name, "cron": "* * * * *"}) == [FIELD]
    resume = replace(asked, action_type="automation_resume")
    assert await refused(edited, resume, {"note": ""}) == [FIELD]


@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        (
            "automation_pause",
            "resume_time",
            "the end of this pause has come (it is 2026-11-23T08:00:00Z); ask again for a later "
            "one",
        ),
        ("automation_skip", "slot_time", "the time to skip has come; ask again for the next"),
    ],
)
async def test_a_card_about_a_moment_that_has_come_is_not_approved(
    edited: PayloadCheck, kind: str, key: str, said: str
) -> None:
    properties = {**PAUSE["properties"], key: {"type": "string"}}
    held = {"name": "workspaces/w/automations/a0", "note": ""}

    def about(moment: datetime) -> Approval:
        return row(kind, {**held, key: moment.isoformat()}, {**PAUSE, "properties": properties})

    await edited.check_as_shown(about(START + timedelta(seconds=1)), FIELD)
    with pytest.raises(errors.InvalidRequest) as caught:
        await edited.check_as_shown(about(START), FIELD)
    (violation,) = caught.value.violations
    assert (violation.field, violation.reason) == (f"{FIELD}.{key}", "INVALID")
    assert violation.description == said


async def test_skips_are_taken_back_until_the_last_of_them_has_come(edited: PayloadCheck) -> None:
    def about(*moments: datetime) -> Approval:
        times = [{"fire_time": moment.isoformat()} for moment in moments]
        return row("automation_unskip", {"slots": times}, {"type": "object"})

    await edited.check_as_shown(about(START, START + timedelta(seconds=1)), FIELD)
    with pytest.raises(errors.InvalidRequest) as caught:
        await edited.check_as_shown(about(START - timedelta(days=1), START), FIELD)
    (violation,) = caught.value.violations
    assert violation.field == f"{FIELD}.slots"
    assert violation.description == "the time has come, so it stays skipped"


async def test_an_act_of_an_unknown_kind_can_not_be_edited(edited: PayloadCheck) -> None:
    assert await refused(edited, row("mail_send", {"to": "bob"}), {"to": "eve"}) == [FIELD]


@pytest.mark.parametrize("left", [{"triggers": []}, {}], ids=["no triggers", "none named"])
async def test_the_last_trigger_can_not_be_edited_away(
    edited: PayloadCheck, update: Approval, left: dict[str, Any]
) -> None:
    created = row(
        "automation_create", {k: update.payload[k] for k in ("display_name", "definition")}
    )
    for asked in (update, created):
        plan = {"plan": asked.payload["definition"]["plan"], **left}
        payload = {**asked.payload, "definition": plan}

        assert await refused(edited, asked, payload) == [f"{FIELD}.definition.triggers"]


async def test_an_edit_names_only_models_that_there_are(
    edited: PayloadCheck, update: Approval
) -> None:
    def with_models(*names: str) -> dict[str, Any]:
        steps = [
            {"step_id": f"s{n}", "action": "agent_task", "config": {"prompt": "Go.", "model": name}}
            for n, name in enumerate(names)
        ]
        execution = {"on_failure": [{**steps[0], "step_id": "f"}]}
        definition = {**update.payload["definition"], "plan": steps, "execution": execution}
        return {**update.payload, "definition": definition}

    places = ["plan[0].config.model", "execution.on_failure[0].config.model"]
    assert await refused(edited, update, with_models("none", "large")) == [
        f"{FIELD}.definition.{place}" for place in places
    ]
    await edited.check(update, with_models("large"), FIELD)
    # what the card named before was shown with a warning
    await edited.check(replace(update, payload=with_models("gone")), with_models("gone"), FIELD)
