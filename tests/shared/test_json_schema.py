"""JSON Schemas that definitions may hold."""

import re
from typing import Any

import pytest

from shared.json_schema import MAX_FAULTS, faults, problem


def _doubling(levels: int) -> dict[str, Any]:
    """A small schema that is 2^levels large once its references are written out."""
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for n in range(levels):
        defs[f"d{n + 1}"] = {"allOf": [{"$ref": f"#/$defs/d{n}"}, {"$ref": f"#/$defs/d{n}"}]}
    return {"$defs": defs, "$ref": f"#/$defs/d{levels}"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"pattern": {"type": "string"}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$defs": {"a/b": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}},
        {"properties": {"x": {"const": {"pattern": "(a+)+$", "$ref": "#/nowhere"}}}},
        {"properties": {"$ref": {"type": "string"}}, "additionalProperties": False},
        _doubling(6),
    ],
)
def test_plain_schemas_are_accepted(schema: dict[str, Any]) -> None:
    assert problem(schema) is None


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "strin"}, "type"),
        ({"properties": {"a": {"minimum": "1"}}}, "minimum"),
        ({"required": "a"}, "required"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, r"\$schema"),
        ({"$ref": "http://127.0.0.1/x"}, "into the schema itself"),
        ({"$ref": "#anchor"}, "into the schema itself"),
        ({"$ref": "#/$defs/gone"}, "points to nothing"),
        ({"$ref": "#"}, "leads back"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "leads back"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "pattern"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"$id": "http://127.0.0.1/x"}, r"\$id"),
        (_doubling(30), "more than"),
    ],
)
def test_a_schema_we_will_not_apply_is_refused_with_a_reason(
    schema: dict[str, Any], why: str
) -> None:
    found = problem(schema)
    assert found is not None
    assert re.search(why, found)


def test_faults_name_where_and_why() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}, "required": ["b"]}
    assert set(faults(schema, {"a": [1, "x"]})) == {
        ("a[1]", "'x' is not of type 'integer'"),
        ("", "'b' is a required property"),
    }
    assert faults(schema, {"a": [], "b": None}) == []


def test_faults_are_bounded() -> None:
    assert len(faults({"items": {"type": "integer"}}, ["x"] * 100)) == MAX_FAULTS


def test_no_reference_is_ever_fetched() -> None:
    [(path, why)] = faults({"$ref": "http://127.0.0.1:1/x"}, {})
    assert path == ""
    assert "cannot be applied" in why
