"""The editable envelope."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.definition.envelope import (
    AutomationCreate,
    AutomationDefinition,
    InputsBlock,
    TriggerSpec,
    dump,
)
from shared.definition.execution import ExecutionBlock, PlanStep
from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome, TriggerType
from shared.json.canonical_json import canonical_bytes

STEP = {"step_id": "news", "action": "agent_task", "config": {"prompt": "Summarise the news"}}
WHOLE_STEP: dict[str, Any] = {
    "step_id": "tell",
    "action": "agent_task",
    "when": None,
    "config": {"prompt": "Say sorry"},
    "output_as": None,
    "max_retries": None,
    "timeout_seconds": None,
}
FULL: dict[str, Any] = {
    "schema_version": "1.0",
    "name": "Morning news",
    "goal": "Know what happened",
    "inputs": {"schema": {"type": "object", "properties": {"topic": {"type": "string"}}}},
    "triggers": [
        {
            "trigger_id": "weekdays",
            "type": "schedule",
            "config": {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
            "static_inputs": {"topic": "science", "nothing": None},
            "enabled": False,
        }
    ],
    "plan": [
        {
            **STEP,
            "when": "inputs.topic",
            "output_as": "summary",
            "max_retries": 0,
            "timeout_seconds": 60,
        }
    ],
    "execution": {
        "timeout_seconds": 120,
        "max_retries": 0,
        "retry_backoff": "linear",
        "concurrency": "queue",
        "budget_cap_usd": 0.5,
        "on_failure": [{**STEP, "step_id": "tell"}],
    },
    "metadata": {"tags": ["news"], "created_from_nl": True, "colour": {"r": 1, "none": None}},
}


def _definition(**more: Any) -> AutomationDefinition:
    return AutomationDefinition.model_validate({"name": "n", "plan": [STEP], **more})


def test_a_full_definition_comes_back_as_it_went_in() -> None:
    parsed = AutomationDefinition.model_validate(FULL)
    again = dump(parsed)
    assert again["inputs"].keys() == {"schema"}
    assert again["execution"]["on_failure"][0]["config"] == STEP["config"]
    again["execution"]["on_failure"] = FULL["execution"]["on_failure"]
    assert again == FULL
    assert AutomationDefinition.model_validate(dump(parsed)) == parsed
    assert canonical_bytes(dump(AutomationDefinition.model_validate(dump(parsed)))) == (
        canonical_bytes(dump(parsed))
    )


def test_the_json_of_a_definition_is_read_and_written_by_pydantic_byte_for_byte() -> None:
    execution = {**FULL["execution"], "on_failure": [WHOLE_STEP]}
    said = {**FULL, "plan": [{**WHOLE_STEP, **FULL["plan"][0]}], "execution": execution}
    text = json.dumps(said, separators=(",", ":"))
    assert AutomationDefinition.model_validate_json(text).model_dump_json() == text
    created = json.dumps(
        {"display_name": said["name"], "description": "For the team.", "definition": said},
        separators=(",", ":"),
    )
    assert AutomationCreate.model_validate_json(created).model_dump_json() == created


@pytest.mark.parametrize("shape", [AutomationDefinition, InputsBlock, TriggerSpec, PlanStep])
def test_the_json_of_every_part_is_what_it_reads(shape: type[BaseModel]) -> None:
    full = AutomationDefinition.model_validate(FULL)
    parts = {InputsBlock: full.inputs, TriggerSpec: full.triggers[0], PlanStep: full.plan[0]}
    part: BaseModel = parts.get(shape, full)
    text = part.model_dump_json()
    assert shape.model_validate_json(text) == part
    assert shape.model_validate_json(text).model_dump_json() == text


def test_the_inputs_block_has_the_key_schema() -> None:
    block = InputsBlock.model_validate({"schema": {"type": "object"}})
    assert block.schema_ == {"type": "object"}
    assert block.model_dump() == {"schema": {"type": "object"}}
    assert InputsBlock.model_validate({"schema_": {"type": "object"}}) == block


def test_defaults_hold_when_execution_is_omitted() -> None:
    execution = _definition().execution
    assert execution == ExecutionBlock()
    assert (execution.timeout_seconds, execution.max_retries) == (600, 2)
    assert (execution.retry_backoff, execution.concurrency) == ("exponential", "drop_if_running")
    assert (execution.budget_cap_usd, execution.on_failure) == (None, [])


def test_an_explicit_zero_is_not_the_default() -> None:
    definition = _definition(execution={"max_retries": 0}, plan=[{**STEP, "max_retries": 0}])
    assert dump(definition)["execution"]["max_retries"] == 0
    assert dump(definition)["plan"][0]["max_retries"] == 0
    assert "max_retries" not in dump(_definition())["plan"][0]


def test_a_step_and_a_trigger_have_defaults() -> None:
    step = PlanStep(step_id="a", action="agent_task")
    assert (step.when, step.config, step.output_as) == (None, {}, None)
    trigger = TriggerSpec(trigger_id="t", type="schedule")
    assert (trigger.config, trigger.static_inputs, trigger.enabled) == ({}, {}, True)


def test_empty_strings_on_the_wire_are_absent_values() -> None:
    step = PlanStep.model_validate({**STEP, "when": "", "output_as": ""})
    assert dump(step) == STEP


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("inputs",),
        ("triggers", 0),
        ("plan", 0),
        ("execution",),
        ("execution", "on_failure", 0),
    ],
)
def test_unknown_keys_are_refused(path: tuple[str | int, ...]) -> None:
    raw = dump(AutomationDefinition.model_validate(FULL))
    target: Any = raw
    for part in path:
        target = target[part]
    target["surprise"] = 1
    with pytest.raises(ValidationError) as caught:
        AutomationDefinition.model_validate(raw)
    assert [e["loc"] for e in caught.value.errors()] == [(*path, "surprise")]


def test_unknown_metadata_is_kept_as_it_is() -> None:
    definition = _definition(metadata={"tags": ["a"], "owner": {"team": None, "n": 2.0}})
    assert dump(definition)["metadata"] == {
        "tags": ["a"],
        "created_from_nl": False,
        "owner": {"team": None, "n": 2},
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"execution": {"retry_backoff": "EXPONENTIAL"}},
        {"execution": {"retry_backoff": "random"}},
        {"execution": {"concurrency": "skip"}},
        {"execution": {"timeout_seconds": 0}},
        {"execution": {"timeout_seconds": 86_401}},
        {"execution": {"timeout_seconds": "60"}},
        {"execution": {"timeout_seconds": True}},
        {"execution": {"timeout_seconds": 1.5}},
        {"execution": {"max_retries": 11}},
        {"execution": {"max_retries": -1}},
        {"execution": {"budget_cap_usd": 0}},
        {"execution": {"budget_cap_usd": float("inf")}},
        {"execution": {"on_failure": [{**STEP, "step_id": f"s{i}"} for i in range(11)]}},
        {"schema_version": "2.0"},
        {"name": "x" * 201},
        {"name": "nul\x00"},
        {"plan": []},
        {"plan": [{**STEP, "step_id": f"s{i}"} for i in range(51)]},
        {"plan": [{**STEP, "step_id": "Upper"}]},
        {"plan": [{**STEP, "step_id": "-a"}]},
        {"plan": [{**STEP, "step_id": "a" * 64}]},
        {"plan": [{**STEP, "output_as": "not-an-identifier"}]},
        {"plan": [{**STEP, "config": {"n": 2**53}}]},
        {"plan": [{**STEP, "config": {"n": float("nan")}}]},
        {"plan": [{**STEP, "config": []}]},
        {"triggers": [{"trigger_id": f"t{i}", "type": "schedule"} for i in range(21)]},
        {"triggers": [{"trigger_id": "t"}]},
        {"triggers": [{"type": "schedule"}]},
        {"triggers": [{"trigger_id": "t", "type": "schedule", "enabled": "yes"}]},
        {"metadata": {"tags": ["x" * 65]}},
        {"metadata": {"tags": [""]}},
        {"metadata": {"deep": "\ud800"}},
    ],
)
def test_bad_literals_and_values_out_of_bounds_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _definition(**bad)


def test_open_objects_are_no_deeper_than_protobuf_reads() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="deep"):
        _definition(inputs={"schema": deep})


def test_parts_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _definition().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("shown", "named"),
    [("News", None), ("News", ""), ("News", "News"), (None, "News"), ("", "News")],
)
def test_either_name_is_enough(shown: str | None, named: str | None) -> None:
    raw: dict[str, Any] = {"definition": {"plan": [STEP]}}
    if shown is not None:
        raw["display_name"] = shown
    if named is not None:
        raw["definition"]["name"] = named
    create = AutomationCreate.model_validate(raw)
    assert create.display_name == create.definition.name == "News"
    assert AutomationCreate.model_validate(dump(create)) == create


def test_a_name_is_filled_into_a_definition_that_was_built_before() -> None:
    create = AutomationCreate(display_name="News", definition=_definition(name=""))
    assert create.definition.name == "News"


def test_two_different_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="one value"):
        AutomationCreate(display_name="News", definition=_definition(name="Weather"))


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="name"):
        AutomationCreate.model_validate({"definition": {"plan": [STEP]}})


def test_create_refuses_unknown_keys() -> None:
    raw = {"display_name": "n", "definition": {"plan": [STEP]}, "workspace": "workspaces/w"}
    with pytest.raises(ValidationError, match="workspace"):
        AutomationCreate.model_validate(raw)


def test_states_are_stored_in_lower_case() -> None:
    assert [s.value for s in AutomationStatus] == ["active", "paused", "archived"]
    assert [t.value for t in TriggerType] == ["schedule", "manual"]
    for states in (RunStatus, SlotOutcome):
        assert all(state.value == state.name.lower() for state in states)
    assert [s for s in RunStatus if not s.finished] == [RunStatus.PENDING, RunStatus.RUNNING]
