"""The answer of a task that has an output schema."""

import json
from typing import Any

from chat_service.agent.structured_output import read_output


def _schema(parts: int) -> dict[str, Any]:
    return {
        "properties": {"x": {"items": {"not": {"anyOf": [{"minimum": 5}] * parts}}}},
        "required": ["x", "good"],
    }


def test_the_objects_of_an_answer_share_what_applying_the_schema_may_cost() -> None:
    good, *others = [{"good": True, "x": [1]}, *({"n": n, "x": [1] * 100} for n in range(15))]
    text = " or ".join(map(json.dumps, [good, *others]))
    assert read_output(text, _schema(2)) == good
    faults = read_output(text, _schema(60))
    assert isinstance(faults, list)
