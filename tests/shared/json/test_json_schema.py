"""JSON Schemas that definitions may hold."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from shared.json.json_schema import (
    MAX_FAULTS,
    MAX_NODES,
    find_faults,
    find_problem,
    fits_plainly,
    shared_cost,
    takes_every_object,
)


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
    assert find_problem(schema) is None


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
    found = find_problem(schema)
    assert found is not None
    assert re.search(why, found)


# A name in `$defs`, and how a reference may spell it.
SPELLINGS = [
    ("ab", "ab"),
    ("ab", "%61b"),
    ("ab", "%61%62"),
    ("a\tb", "a\tb"),
    ("a#b", "a%23b"),
    ("a/b", "a~1b"),
    ("a/b", "a%7E1b"),
    ("a/b", "a~%31b"),
    ("a~b", "a~0b"),
    ("a~1b", "a~01b"),
    ("a%62", "a%2562"),
    ("a#b", "a#b"),
    ("a b", "a%20b"),
    ("é", "%C3%A9"),
    ("é", "é"),
    ("%zz", "%zz"),
    ("a?b", "a?b"),
]


@pytest.mark.parametrize(("name", "spelling"), SPELLINGS)
def test_a_reference_leads_where_the_library_finds_it_however_it_is_spelled(
    name: str, spelling: str
) -> None:
    reference = {"$ref": f"#/$defs/{spelling}"}
    plain = {"$defs": {name: {"type": "string"}}, **reference}
    assert find_problem(plain) is None
    assert find_faults(plain, "x") == []
    assert find_faults(plain, 1) == [("", "1 is not of type 'string'")]
    # What the spelling would name if it were not decoded.
    decoy = {} if spelling == name else {spelling: True}
    circle = {"$defs": {**decoy, name: {"allOf": [reference]}}, **reference}
    assert "leads back" in str(find_problem(circle))
    wide = {"allOf": [True] * (MAX_NODES // 2)}
    twice = {"$defs": {**decoy, name: wide}, "allOf": [reference, reference]}
    assert "more than" in str(find_problem(twice))


@pytest.mark.parametrize(
    "reference", ["#%2F$defs/ab", " #/$defs/ab", "\t#/$defs/ab", "//[#/$defs/ab", "x#/$defs/ab"]
)
def test_a_reference_that_the_library_reads_otherwise_is_refused(reference: str) -> None:
    assert find_problem({"$defs": {"ab": True}, "$ref": reference}) is not None


SCHEMA_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, False, None, 0, 1, -1, 1.5, "string", "object", "x", [], {}]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "allOf",
                    "anyOf",
                    "not",
                    "required",
                    "enum",
                    "const",
                    "minimum",
                    "maxLength",
                    "if",
                    "$defs",
                    "uniqueItems",
                    "multipleOf",
                    "dependentRequired",
                    "dependentSchemas",
                    "dependencies",
                    "definitions",
                    "prefixItems",
                    "propertyNames",
                    "minContains",
                    "title",
                    "examples",
                    "default",
                    "format",
                    "$comment",
                    "contentSchema",
                    "unevaluatedItems",
                    "$vocabulary",
                    "additionalProperties",
                    "x",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(["type", "properties", "allOf", "enum", "required"]), SCHEMA_VALUE
    )
)
def test_a_schema_is_valid_when_the_library_says_so(schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
        valid = True
    except SchemaError:
        valid = False
    problem = find_problem(schema)
    assert (problem is None) is valid, problem


def test_what_is_checked_and_applied_in_one_call_has_one_cost() -> None:
    schema = {"items": {"anyOf": [{"minimum": 5}] * 20}}
    with shared_cost() as alone:
        assert find_problem(schema) is None
        assert find_faults(schema, [9] * 20) == []
    with shared_cost(alone.spent + 1):
        assert find_faults(schema, [9] * 20) == []
        with shared_cost(10**9):  # that of the outer one holds
            assert find_problem(schema) is None
            assert "too long" in find_faults(schema, [9] * 20)[-1][1]
            assert "too long" in str(find_problem(schema))
    assert find_faults(schema, [9] * 20) == []


def test_faults_name_where_and_why() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}, "required": ["b"]}
    assert set(find_faults(schema, {"a": [1, "x"]})) == {
        ("a[1]", "'x' is not of type 'integer'"),
        ("", "'b' is a required property"),
    }
    assert find_faults(schema, {"a": [], "b": None}) == []


def test_faults_are_bounded() -> None:
    assert len(find_faults({"items": {"type": "integer"}}, ["x"] * 100)) == MAX_FAULTS


def test_no_reference_is_ever_fetched() -> None:
    [(path, why)] = find_faults({"$ref": "http://127.0.0.1:1/x"}, {})
    assert path == ""
    assert "cannot be applied" in why


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([{"a": n} for n in range(20_000)], True),
        ([[n, {"a": n}] for n in range(20_000)], True),
        ([{"a": n} for n in range(20_000)] + [{"a": 7}], False),
        ([1, True, "1", None, 0, False, [], {}], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": [True]}, {"b": [True], "a": 1.0}], False),
        ([[1], [True]], True),
        ([["1"], [1], ["1,2"], ["1", "2"], {"1": 2}, ["{}"], [{}]], True),
        ([2**53, float(2**53)], False),
    ],
)
def test_many_items_are_unique_or_not_without_comparing_each_with_each(
    items: list[Any], unique: bool
) -> None:
    assert (find_faults({"uniqueItems": True}, items) == []) is unique
    assert find_faults({"uniqueItems": False}, items) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"anyOf": [{"const": [n]} for n in range(2_000)]}},
        {"items": {"enum": [[n] for n in range(2_000)]}},
        {"anyOf": [{"type": "string"}] * 2_000},
    ],
)
def test_a_schema_that_takes_too_long_to_apply_is_broken_by_the_value(
    schema: dict[str, Any],
) -> None:
    assert find_problem(schema) is None
    ((where, why),) = find_faults(schema, [[1_999]] * 2_000, max_cost=200_000)
    assert where == ""
    assert "too long" in why


_ROWS: dict[str, Any] = {"unevaluatedProperties": False, "properties": {"a": {"type": "integer"}}}
_MORE: dict[str, Any] = {"properties": {"b": {}}}


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        (_ROWS, {"a": 1}, True),
        (_ROWS, {"a": 1, "b": 2}, False),
        ({**_ROWS, "allOf": [_MORE]}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "anyOf": [_MORE, False]}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "anyOf": [{**_MORE, "required": ["c"]}, True]}, {"a": 1, "b": 2}, False),
        ({**_ROWS, "if": {"required": ["a"]}, "then": _MORE}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "if": {"required": ["a"]}, "else": _MORE}, {"a": 1, "b": 2}, False),
        ({**_ROWS, "if": {"required": ["z"]}, "else": _MORE}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "dependentSchemas": {"a": _MORE}}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "$defs": {"m": _MORE}, "$ref": "#/$defs/m"}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "allOf": [{"additionalProperties": True}]}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "allOf": [{"unevaluatedProperties": True}]}, {"a": 1, "b": 2}, True),
        ({**_ROWS, "not": _MORE}, {"a": 1}, False),
        ({"unevaluatedProperties": {"type": "string"}}, {"a": "x"}, True),
        ({"unevaluatedProperties": {"type": "string"}}, {"a": 1}, False),
        ({"unevaluatedItems": False}, [], True),
        ({"unevaluatedItems": False}, [1], False),
        ({"unevaluatedItems": False, "prefixItems": [True, True, True]}, [1, 2], True),
        ({"unevaluatedItems": False, "prefixItems": [True]}, [1, 2], False),
        ({"unevaluatedItems": False, "items": True}, [1, 2], True),
        ({"unevaluatedItems": False, "contains": {"type": "integer"}}, [1, 2], True),
        ({"unevaluatedItems": False, "contains": {"type": "integer"}}, [1, "x"], False),
        ({"unevaluatedItems": {"type": "string"}, "prefixItems": [True]}, [1, "x"], True),
        ({"unevaluatedItems": False, "oneOf": [{"prefixItems": [True]}, False]}, [1], True),
    ],
)
def test_what_nothing_evaluates_is_judged_as_the_library_judges_it(
    schema: dict[str, Any], value: Any, fits: bool
) -> None:
    assert find_problem(schema) is None
    assert Draft202012Validator(schema).is_valid(value) is fits
    assert (find_faults(schema, value) == []) is fits


_OBJECT = {f"p{n}": n for n in range(400)}
_DEEP: dict[str, Any] = {"unevaluatedProperties": False, "anyOf": [{"properties": {"p1": {}}}]}
for _ in range(6):
    _DEEP = {"unevaluatedProperties": False, "anyOf": [_DEEP, _DEEP, True]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"unevaluatedProperties": True, "anyOf": [{"additionalProperties": True}] * 90}, _OBJECT),
        ({"unevaluatedItems": True, "anyOf": [{"contains": True}] * 90}, [1] * 400),
        ({"unevaluatedItems": True, "anyOf": [{"unevaluatedItems": True}] * 90}, [1] * 400),
        ({"unevaluatedItems": True, "anyOf": [{"prefixItems": [True] * 2}] * 90}, [1] * 400),
        (_DEEP, {"p1": 1}),
        ({"items": {"anyOf": [False] * 200}}, [1] * 400),
        ({"anyOf": [{"items": False}] * 50}, [1] * 400),
        ({"anyOf": [{"additionalProperties": False}] * 50}, _OBJECT),
        ({"anyOf": [{"propertyNames": False}] * 50}, _OBJECT),
        ({"anyOf": [{"contains": False}] * 50}, [1] * 400),
        ({"anyOf": [{"properties": dict.fromkeys(_OBJECT, False)}] * 2}, _OBJECT),
        ({"anyOf": [{"dependentSchemas": dict.fromkeys(_OBJECT, True)}] * 2}, _OBJECT),
        ({"anyOf": [{"required": list(_OBJECT)}] * 2}, {"a": 1}),
        ({"anyOf": [{"prefixItems": [False] * 400}] * 2}, [1] * 400),
        ({"allOf": [{"not": {"if": False, "else": False}}] * 90}, [1] * 200),
    ],
)
def test_every_keyword_counts_against_what_applying_a_schema_may_cost(
    schema: dict[str, Any], value: Any
) -> None:
    assert find_problem(schema) is None
    faults = find_faults(schema, value, max_cost=9_000)
    assert "too long" in faults[-1][1]


def test_a_large_value_is_judged_by_a_plain_schema() -> None:
    row = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    schema = {"type": "array", "items": row}
    rows: list[Any] = [{"id": n, "text": "word " * 10} for n in range(3_000)]
    assert find_faults(schema, rows) == []
    assert len(find_faults(schema, [*rows, {"id": "x"}])) == 1


@pytest.mark.parametrize(
    ("schema", "takes"),
    [
        ({}, True),
        ({"type": "object", "description": "d", "title": "t", "default": {}}, True),
        ({"type": ["object", "null"], "required": [], "additionalProperties": True}, True),
        ({"properties": {"a": {}, "b": True, "c": {"items": {"examples": [1]}}}}, True),
        ({"$defs": {"a": {"type": "string"}}}, True),
        ({"type": "string"}, False),
        ({"type": "objects"}, False),
        ({"required": ["a"]}, False),
        ({"properties": {"a": {"type": "object"}}}, False),
        ({"properties": {"a": False}}, False),
        ({"additionalProperties": False}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, False),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}, False),
    ],
)
def test_a_schema_that_asks_nothing_is_recognised(schema: dict[str, Any], takes: bool) -> None:
    assert takes_every_object(schema) is takes


_LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, "a", "object", "string", [], ["object"], {}]
)
_WORDS = st.sampled_from([*sorted(Draft202012Validator.VALIDATORS), "title", "$defs", "a"])
_SCHEMAS = st.recursive(
    _LEAVES, lambda inner: st.dictionaries(_WORDS, inner, max_size=3), max_leaves=8
)
_OBJECTS = st.dictionaries(st.sampled_from(["a", "title", "items"]), _LEAVES, max_size=3)


@settings(max_examples=400)
@given(st.dictionaries(_WORDS, _SCHEMAS, max_size=4), _OBJECTS)
def test_no_object_breaks_a_schema_that_asks_nothing(schema: Any, value: Any) -> None:
    if takes_every_object(schema):
        assert find_faults(schema, value) == []


_PLAIN = {
    "type": "object",
    "title": "t",
    "required": ["topic"],
    "properties": {
        "topic": {"type": "string", "description": "d"},
        "count": {"type": ["integer", "null"]},
        "share": {"type": "number"},
        "on": {"type": "boolean"},
        "more": {"type": "object", "properties": {"ids": {"type": "array"}}, "required": ["ids"]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"topic": "t"}, True),
        ({"topic": "t", "count": 3, "share": 0.5, "on": True, "more": {"ids": [1]}}, True),
        ({"topic": "t", "count": None, "share": 1, "on": False}, True),
        ({}, False),
        ({"topic": 1}, False),
        ({"topic": "t", "count": True}, False),
        ({"topic": "t", "count": 1.5}, False),
        ({"topic": "t", "share": True}, False),
        ({"topic": "t", "on": 1}, False),
        ({"topic": "t", "more": {}}, False),
        ({"topic": "t", "other": 1}, False),
        ([], False),
    ],
)
def test_a_value_that_plainly_fits_is_recognised(value: Any, fits: bool) -> None:
    assert fits_plainly(_PLAIN, value) is fits
    assert (find_faults(_PLAIN, value) == []) is fits


@pytest.mark.parametrize("schema", [{"minLength": 1}, {"enum": ["a"]}, {"$ref": "#"}, {"type": []}])
def test_a_schema_that_is_not_plain_is_left_to_the_library(schema: Any) -> None:
    assert not fits_plainly(schema, "a")


_VALUES = st.recursive(
    _LEAVES, lambda inner: st.dictionaries(st.sampled_from("ab"), inner), max_leaves=5
)
_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])
_PLAIN_SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": _TYPES | st.lists(_TYPES, min_size=1)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPES,
            "properties": st.dictionaries(st.sampled_from("ab"), inner),
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "additionalProperties": st.booleans() | inner,
        },
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.dictionaries(_WORDS, _SCHEMAS, max_size=4) | _PLAIN_SCHEMAS, _VALUES)
def test_what_fits_plainly_breaks_no_schema(schema: Any, value: Any) -> None:
    if fits_plainly(schema, value):
        assert find_faults(schema, value) == []


def test_a_fault_of_an_alternative_is_told_where_its_constant_says_which_is_meant() -> None:
    def one(kind: str, field: str) -> dict[str, Any]:
        properties = {"kind": {"const": kind}, field: {"type": "array", "items": {"enum": ["x"]}}}
        return {"properties": properties, "required": ["kind", field]}

    schema = {"properties": {"step": {"anyOf": [one("a", "to"), one("b", "by")]}}}

    def at(step: Any) -> list[str]:
        return [path for path, _ in find_faults(schema, {"step": step})]

    assert at({"kind": "b", "by": ["x"]}) == []
    assert at({"kind": "b", "by": ["x", "y"]}) == ["step.by[1]"]
    # nothing says which is meant
    assert at({"kind": "c", "by": ["y"]}) == ["step"]
    assert at({"by": ["y"]}) == ["step"]
