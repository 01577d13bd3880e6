"""A stored definition, parsed once."""

from typing import Any

import pytest

from automation_service import definitions
from shared import json_schema
from shared.canonical_json import canonical_bytes
from shared.definition.envelope import AutomationCreate, dump
from tests.support.automation import news, schedule


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
