"""The answer of a task that has an output schema."""

import json
from typing import Any

import pytest

from chat_service.agent.structured_output import find_output, read_output
from chat_service.llm.tool_calls.text_call import read_call
from shared.json import json_schema
from tests.support.service_parts.checks import CHECKS


def _schema(parts: int) -> dict[str, Any]:
    return {
        "properties": {"x": {"items": {"not": {"anyOf": [{"minimum": 5}] * parts}}}},
        "required": ["x", "good"],
    }


def test_the_objects_of_an_answer_share_what_applying_the_schema_may_cost() -> None:
    good, *others = [{"good": True, "x": [1]}, *({"n": n, "x": [1] * 100} for n in range(15))]
    text = " or ".join(map(json.dumps, [good, *others]))
    assert read_output({"text": text, "schema": _schema(2)}) == good
    faults = read_output({"text": text, "schema": _schema(60)})
    assert isinstance(faults, list)


async def test_what_takes_long_to_read_leaves_the_loop_and_says_the_same() -> None:
    numbers = {"x": [1] * 300}
    schema, text = _schema(60), json.dumps(numbers)
    with pytest.raises(json_schema.NotQuick), json_schema.quick_cost():
        read_output({"text": text, "schema": schema})
    found = await find_output(CHECKS, text, schema, workspace="w")
    assert found == read_output({"text": text, "schema": schema})

    tools = {"count": {"type": "object", **schema, "required": ["x"]}}
    call = {"name": "count", "arguments": numbers}
    job: Any = {"text": json.dumps(call), "tools": tools, "distinct": []}
    with pytest.raises(json_schema.NotQuick), json_schema.quick_cost():
        read_call(job)
    assert await CHECKS.do(read_call, job, workspace="w") == read_call(job)
    assert read_call({"text": json.dumps({"name": "count"}), "tools": tools, "distinct": []})
