"""What a run takes in, against its schema."""

from typing import Any

import pytest

from shared.validation.inputs import check_run, check_static, collect_names

CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"topic": {"type": "string"}},
    "required": ["topic"],
    "additionalProperties": False,
}
RUNTIME = {"fired_at": "t", "scheduled_for": "t", "last_fired_at": None}


def test_runtime_inputs_are_no_fault_of_a_closed_schema() -> None:
    assert check_run(CLOSED, {"topic": "x", **RUNTIME}) == []
    assert check_run(CLOSED, {"topic": 1, **RUNTIME}) == [("topic", "1 is not of type 'string'")]


def test_a_required_runtime_input_that_is_not_declared_is_there() -> None:
    assert check_run({"required": ["fired_at"]}, RUNTIME) == []
    assert check_run({"required": ["fired_at"]}, {}) != []


def test_a_declared_runtime_input_is_checked() -> None:
    schema = {"properties": {"fired_at": {"type": "number"}}}
    assert check_run(schema, RUNTIME) == [("fired_at", "'t' is not of type 'number'")]


@pytest.mark.parametrize(
    ("required", "static", "paths"),
    [
        (["topic"], {}, ["topic"]),
        (["topic"], {"topic": "x"}, []),
        (["fired_at"], {}, []),
        ([], {"topic": 1}, ["topic"]),
    ],
)
def test_static_inputs_need_what_the_runtime_never_gives(
    required: list[str], static: dict[str, Any], paths: list[str]
) -> None:
    schema = {**CLOSED, "required": required}
    assert [path for path, _ in check_static(schema, static)] == paths


def test_known_inputs_are_declared_static_and_runtime_ones() -> None:
    assert collect_names(CLOSED, [{"a": 1}, {"b": 2}]) == {"topic", "a", "b", *RUNTIME}
