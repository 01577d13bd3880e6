"""A stored definition, parsed once."""

from typing import Any

import pytest

from automation_service import definitions
from shared.definition.envelope import AutomationCreate, dump
from shared.json import json_schema
from shared.json.canonical_json import canonical_bytes
from tests.support.system.automation import news, schedule


@pytest.mark.parametrize(("name", "times"), [("numbers", 1), ("fired_at", 2)])
def test_inputs_that_are_the_same_in_each_run_are_judged_once(name: str, times: int) -> None:
    properties: dict[str, Any] = {"numbers": {"items": {"allOf": [{"minimum": 0}] * 9}}, name: {}}
    said = news(triggers=[schedule()], inputs={"schema": {"properties": properties}})
    definition = canonical_bytes(dump(AutomationCreate.model_validate(said).definition)).decode()
    parsed = definitions.parse(definition)
    inputs = {"numbers": [1] * 9, "fired_at": "now"}
    with json_schema.shared_cost() as once:
        assert parsed.find_input_faults("t", inputs) == []
    with json_schema.shared_cost() as again:
        assert parsed.find_input_faults("t", inputs) == []
    assert again.spent == (times - 1) * once.spent


SLOW: dict[str, Any] = {"items": {"allOf": [{"minimum": 0}] * 90}}
MANY = [1] * 900


def test_inputs_that_take_long_to_judge_are_as_they_were_saved() -> None:
    """The scheduler applies no more of a schema than its loop has time for, and that once."""
    parsed = _parse({"properties": {"numbers": SLOW, "topic": {"type": "string"}}})
    with json_schema.shared_cost() as once:
        assert parsed.find_input_faults("t", {"numbers": MANY, "fired_at": "now"}) == []
    assert once.spent < 1.1 * json_schema.QUICK_COST
    with json_schema.shared_cost() as again:
        assert parsed.find_input_faults("t", {"numbers": MANY, "fired_at": "now"}) == []
    assert again.spent == 0


@pytest.mark.parametrize(
    ("of_moment", "fault"),
    [
        ({"type": "string"}, []),
        ({"$ref": "#/$defs/text"}, []),
        ({"type": "number"}, [("fired_at", "'now' is not of type 'number'")]),
    ],
)
def test_what_differs_from_run_to_run_is_judged_whatever_the_rest_takes(
    of_moment: dict[str, Any], fault: list[tuple[str, str]]
) -> None:
    parsed = _parse(
        {
            "$defs": {"text": {"type": "string", "minLength": 1}},
            "properties": {"numbers": SLOW, "fired_at": of_moment},
            "required": ["numbers"],
        }
    )
    costs = []
    for _ in range(2):
        with json_schema.shared_cost() as budget:
            assert parsed.find_input_faults("t", {"numbers": MANY, "fired_at": "now"}) == fault
        costs.append(budget.spent)
    assert costs[0] < 1.1 * json_schema.QUICK_COST
    assert costs[1] < json_schema.QUICK_COST // 100


def test_a_moment_that_takes_long_to_judge_is_a_fault() -> None:
    some = {"allOf": [{"minLength": 1}] * 40}
    parsed = _parse({"properties": {"fired_at": {"allOf": [some] * 40}}})
    with json_schema.shared_cost() as budget:
        [fault] = parsed.find_input_faults("t", {"fired_at": "now"})
    assert "takes too long" in fault[1]
    assert budget.spent < 2.2 * json_schema.QUICK_COST


@pytest.mark.parametrize("schema", [{}, {"type": "object", "properties": {"fired_at": {}}}])
def test_a_schema_that_asks_nothing_is_not_applied(schema: dict[str, Any]) -> None:
    parsed = _parse(schema)
    with json_schema.shared_cost() as budget:
        assert parsed.find_input_faults("t", {"fired_at": "now", "topic": 1}) == []
    assert budget.spent == 0


def test_inputs_are_judged_by_the_text_that_was_read() -> None:
    for kind, faults in (("string", 0), ("integer", 1), ("string", 0)):
        parsed = _parse({"properties": {"topic": {"type": kind}}})
        assert len(parsed.find_input_faults("t", {"topic": "news"})) == faults


def test_the_definitions_of_many_automations_stay_parsed() -> None:
    template = _text({"title": "first"})
    texts = [template.replace("first", str(number)) for number in range(1_500)]
    parsed = [definitions.parse(text) for text in texts]
    assert all(definitions.parse(text) is one for text, one in zip(texts, parsed, strict=True))


def test_a_very_long_definition_is_not_kept() -> None:
    text = _text({"title": "x" * definitions.CACHE_MAX_CHARACTERS})
    assert definitions.parse(text) is not definitions.parse(text)


def _parse(schema: dict[str, Any]) -> definitions.ParsedDefinition:
    return definitions.parse(_text(schema))


def _text(schema: dict[str, Any]) -> str:
    said = news(triggers=[schedule()], inputs={"schema": schema})
    return canonical_bytes(dump(AutomationCreate.model_validate(said).definition)).decode()
