"""The form of a question: what is shown of a schema, and which answers fit it."""

from typing import Any

import pytest

from chat_service.tools.mcp.form import MAX_TEXT, FormRefused, find_faults, read_form
from shared.json.json_schema import DRAFT

OPTIONS = [f"{'x' * 190}{number}" for number in range(100)]
LIST: dict[str, Any] = {"type": "array", "items": {"type": "string", "enum": OPTIONS}}


def field(given: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = read_form({"$schema": DRAFT, "properties": {"a": given}})
    return shown["properties"]["a"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"type": "boolean", "default": True, "title": "A"}, {"type": "boolean", "default": True}),
        ({"type": "boolean", "default": "yes"}, {"type": "boolean"}),
        (
            {"type": "string", "minLength": 2, "pattern": "(a+)+"},
            {"type": "string", "minLength": 2, "maxLength": MAX_TEXT},
        ),
        (
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 9.5, "default": 12},
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 9.5},
        ),
        (
            {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
            {"type": "number"},
        ),
        (
            {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"], "title": "Hue"},
            {"type": "string", "enum": ["r", "g"], "description": "Hue (r: Red; g: Green)"},
        ),
        (
            {"type": "string", "oneOf": [{"const": "r", "title": "Red"}], "description": "Which?"},
            {"type": "string", "enum": ["r"], "description": "Which? (r: Red)"},
        ),
        (
            {"type": "array", "items": {"anyOf": [{"const": "r"}, {"const": "g"}]}, "minItems": 1},
            {
                "type": "array",
                "items": {"type": "string", "enum": ["r", "g"]},
                "uniqueItems": True,
                "minItems": 1,
            },
        ),
    ],
)
def test_a_field_keeps_what_is_plain(given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert field(given) == shown


@pytest.mark.parametrize(
    "given",
    [
        True,
        {},
        {"type": ["string", "integer"]},
        {"type": "null"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array"},
        {"type": "string", "enum": []},
        {"type": "string", "enum": [1]},
        {"type": "string", "enum": ["x" * 201]},
        {"type": "string", "oneOf": ["r"]},
        {"type": "string", "minLength": MAX_TEXT + 1},
        {"type": "string", "format": ["date"]},
        {"type": "number", "minimum": "1"},
        {"type": "number", "maximum": float("inf")},
        {"type": "number", "minimum": True},
    ],
)
def test_what_is_not_plain_is_refused(given: Any) -> None:
    with pytest.raises(FormRefused):
        field(given)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date", ["2026-02-28"], ["2026-02-30", "20260228", "soon", ""]),
        (
            "date-time",
            ["2026-02-28T09:00:00Z", "2026-02-28T09:00:00.5+01:00"],
            ["2026-02-28T09:00:00", "2026-02-28", "9:00"],
        ),
        ("email", ["ada@example.org"], ["ada", "ada@", "a b@example.org", "a@b@c"]),
        (
            "uri",
            ["https://example.org/x", "mailto:ada@example.org"],
            ["example.org", "https://", "https://a b", "http://[", ""],
        ),
    ],
)
def test_formats_are_checked(form: str, good: list[str], bad: list[str]) -> None:
    shown = read_form({"properties": {"a": {"type": "string", "format": form}}})

    assert [one for one in good if find_faults(shown, {"a": one})] == []
    assert [one for one in bad if not find_faults(shown, {"a": one})] == []


@pytest.mark.parametrize("default", [[{"a": 1}], OPTIONS[:1] * 101, {"a": 1}, "x" * (MAX_TEXT + 1)])
def test_a_default_that_is_no_answer_is_left_out(default: Any) -> None:
    for given in ({"type": "string"}, LIST):
        assert "default" not in field({**given, "default": default})


def test_defaults_of_all_fields_take_a_bounded_time_together() -> None:
    """Those that are left out are the last."""
    given = {f"a{number}": {**LIST, "default": OPTIONS[::-1]} for number in range(20)}
    given = {"b": {**LIST, "default": OPTIONS[:3]}, **given}
    del given["a19"]
    shown = read_form({"properties": given})["properties"]
    assert shown["b"]["default"] == OPTIONS[:3]
    assert "default" not in shown["a18"]
