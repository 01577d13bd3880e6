"""The schema of a draft: what is asked of the model is what is checked."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from chat_service.prompts.load import load_prompt
from chat_service.tools.automations.drafts.schema import (
    answer_schema,
    automation_schema,
    model_names,
)
from shared.json import json_schema
from shared.registries.catalogue import Catalogue, current_catalogue, register_builtins
from shared.registries.triggers.types import TriggerDefinition

MODELS: Final = ("large", "small")
PLACES: Final = ("thread", "inbox")
THREAD: Final = "workspaces/kitchen/threads/0199"  # of an example


@pytest.fixture
def catalogue() -> Catalogue:
    register_builtins()
    found = current_catalogue()
    return replace(found, capabilities=dict.fromkeys(("fetch_url", "now")))  # type: ignore[arg-type]


def draft(**changed: Any) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "trigger_id": "t",
        "type": "schedule",
        "config": {"cron": "0 9 * * *", "timezone": "UTC"},
    }
    step: dict[str, Any] = {"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}
    config = changed.pop("config", {})
    definition = {"triggers": [trigger], "plan": [{**step, "config": {**step["config"], **config}}]}
    whole = {"display_name": "Joke", "definition": {**definition, **changed.pop("definition", {})}}
    return {key: value for key, value in {**whole, **changed}.items() if value is not None}


def faults(catalogue: Catalogue, value: Any, *, needs_trigger: bool = True) -> list[str]:
    schema = automation_schema(catalogue, MODELS, PLACES, needs_trigger=needs_trigger)
    Draft202012Validator.check_schema(schema)
    return [path for path, _ in json_schema.find_faults(schema, value)]


def test_a_whole_draft_satisfies_it(catalogue: Catalogue) -> None:
    assert faults(catalogue, draft(config={"tools": ["now"], "model": "small"})) == []


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (draft(display_name=None), ""),
        (draft(definition={"triggers": []}), "definition.triggers"),
        (draft(definition={"plan": []}), "definition.plan"),
        (
            draft(definition={"triggers": [{"trigger_id": "t", "type": "schedule"}]}),
            "definition.triggers[0]",
        ),
        (
            draft(
                definition={
                    "triggers": [
                        {"trigger_id": "t", "type": "schedule", "config": {"timezone": "UTC"}}
                    ]
                }
            ),
            "definition.triggers[0].config",
        ),
        (draft(config={"prompt": ""}), "definition.plan[0].config.prompt"),
        (draft(config={"tools": ["teleport"]}), "definition.plan[0].config.tools[0]"),
        (draft(config={"model": "medium"}), "definition.plan[0].config.model"),
    ],
)
def test_each_fault_of_a_draft_breaks_it(catalogue: Catalogue, value: Any, at: str) -> None:
    assert faults(catalogue, value) == [at]


EVERY: Final = {"unit": "weeks", "count": 2, "anchor": "2027-03-02T09:00"}


@pytest.mark.parametrize(
    ("form", "is_good"),
    [
        ({"at": "2027-03-01T09:00"}, True),
        ({"every": EVERY, "excluded_dates": ["2027-12-24"]}, True),
        ({"cron": "0 9 13 * FRI", "day_match": "all"}, True),
        ({"cron": "0 9 * * *", "at": "2027-03-01T09:00"}, False),
        ({"at": "2027-03-01T09:00+01:00"}, False),
        ({"every": {**EVERY, "unit": "months"}}, False),
        ({"every": {"unit": "weeks", "count": 2}}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_schedule_has_one_of_its_forms(
    catalogue: Catalogue, form: dict[str, Any], is_good: bool
) -> None:
    trigger = {"trigger_id": "t", "type": "schedule", "config": {"timezone": "UTC", **form}}
    found = faults(catalogue, draft(definition={"triggers": [trigger]}))
    assert (found == []) is is_good
    assert "oneOf" not in json.dumps(automation_schema(catalogue, (), PLACES, needs_trigger=True))


def test_an_automation_without_triggers_may_stay_so(catalogue: Catalogue) -> None:
    bare = draft(definition={"triggers": []})

    assert faults(catalogue, bare, needs_trigger=False) == []


def test_each_type_of_trigger_has_its_own_config(catalogue: Catalogue) -> None:
    mail = TriggerDefinition(
        type="mail",
        description="Fires when a mail comes.",
        config_schema={
            "type": "object",
            "properties": {"box": {"$ref": "#/$defs/Box"}},
            "required": ["box"],
            "$defs": {"Box": {"type": "string", "minLength": 1}},
        },
        payload_schema={},
    )
    two = replace(catalogue, triggers={**catalogue.triggers, "mail": mail})
    by_mail = {"trigger_id": "m", "type": "mail", "config": {"box": "in"}}

    assert faults(two, draft(definition={"triggers": [by_mail]})) == []
    assert faults(two, draft(definition={"triggers": [{**by_mail, "config": {"box": ""}}]}))
    assert faults(two, draft(definition={"triggers": [{**by_mail, "type": "schedule"}]}))
    assert faults(two, draft()) == []


def test_a_destination_is_one_of_those_that_are_listed(catalogue: Catalogue) -> None:
    def delivering(to: Any) -> dict[str, Any]:
        step = {"step_id": "d", "action": "deliver", "config": {"to": to}}
        return draft(definition={"plan": [step]})

    assert faults(catalogue, delivering(["inbox", "thread"])) == []
    assert faults(catalogue, delivering(["inbox", "slack"])) == ["definition.plan[0].config.to[1]"]
    assert faults(catalogue, delivering([])) == ["definition.plan[0].config.to"]


def test_an_answer_is_a_draft_or_what_is_missing(catalogue: Catalogue) -> None:
    schema = answer_schema(automation_schema(catalogue, MODELS, PLACES, needs_trigger=True))
    Draft202012Validator.check_schema(schema)

    for good in ({"draft": draft(), "issues": []}, {"draft": None, "issues": ["when?"]}):
        assert json_schema.find_faults(schema, good) == []
    broken: tuple[dict[str, Any], ...] = ({"draft": {}, "issues": []}, {"draft": None}, draft())
    for bad in broken:
        assert json_schema.find_faults(schema, bad)


@pytest.mark.parametrize("tool", ["create_automation", "update_automation"])
def test_the_examples_of_the_prompts_satisfy_it(catalogue: Catalogue, tool: str) -> None:
    schema = answer_schema(automation_schema(catalogue, (), [*PLACES, THREAD], needs_trigger=True))
    lines = load_prompt(f"{tool}/drafts").split("\n")
    answers = [json.loads(line) for line in lines if line.startswith('{"draft"')]

    assert len(answers) >= 2
    for answer in answers:
        assert json_schema.find_faults(schema, answer) == []


def test_a_model_of_ones_own_may_be_named_as_it_was() -> None:
    own = "workspaces/w/modelConfigs/7"

    assert model_names(MODELS, f'{{"model": "{own}"}} to ten') == ["large", "small", own]
