"""Checks that are quick are done here, and all others by the sandbox with the same answer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.json import json_schema
from shared.registries.actions.deliver import DELIVER
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.registries.catalogue_form import NoForm, dump_catalogue, load_catalogue
from shared.sandbox.pool import Sandbox
from shared.validation.check import MAX_VALUES, check
from shared.validation.check_runner import CheckRunner
from tests.shared.validation.test_check import CATALOGUE, GOOD

# Calls of functions, Python's and C's: a hundredth of a second has about so many.
MOST_CALLS = 150_000


@pytest.fixture(scope="module")
async def checks() -> AsyncIterator[CheckRunner]:
    sandbox = Sandbox(module="automation_service.sandbox_jobs")
    yield CheckRunner(sandbox=sandbox)
    await sandbox.close()


@pytest.fixture(scope="module")
def nowhere() -> CheckRunner:
    """Can do only what is quick."""
    return CheckRunner(sandbox=Sandbox(module="no.such.module"))


def _nest(keyword: str, depth: int) -> Any:
    schema: Any = True
    for _ in range(depth):
        schema = {keyword: [schema, schema]}
    return schema


def _wrap(depth: int) -> Any:
    schema: Any = {"properties": {"a": True}}
    for _ in range(depth):
        schema = {"allOf": [schema], "unevaluatedProperties": {}}
    return schema


OBJECTS = [{"a": number, "b": [number]} for number in range(3_000)]
WIDE = {f"p{number}": {"b": number} for number in range(5_000)}
# Accepted schemas with a value that costs more than a loop has time for.
HOSTILE: dict[str, tuple[Any, Any]] = {
    "nested unevaluatedProperties": (_wrap(25), WIDE),
    "references that fan out": (
        {
            "$defs": {
                "a": {"allOf": [{"minimum": 0}] * 30},
                "b": {"allOf": [{"$ref": "#/$defs/a"}] * 30},
            },
            "items": {"$ref": "#/$defs/b"},
        },
        [1] * 50,
    ),
    "uniqueItems of objects": ({"uniqueItems": True}, OBJECTS),
    "a huge enum": (
        {"items": {"enum": [f"{'x' * 50}{number}" for number in range(2_000)]}},
        ["x" * 50] * 500,
    ),
    "an enum of objects": (
        {"items": {"enum": [{"a": [number] * 20} for number in range(300)]}},
        [{"a": [-1] * 20}] * 300,
    ),
    "deep oneOf": (_nest("oneOf", 9), 1),
    "names": ({"propertyNames": {"allOf": [{"minLength": 1}] * 100}}, WIDE),
    "contains": ({"contains": {"const": 1}, "maxContains": 1}, list(range(9_000))),
    "dependentSchemas": (
        {"dependentSchemas": {f"p{n}": {"required": ["z"]} for n in range(1_000)}},
        WIDE,
    ),
    "long texts": ({"maxLength": 1}, "x" * 500_000),
    "parts that no keyword asks for": ({"items": {"type": "object"}}, OBJECTS),
}
# What is refused before it is applied.
REFUSED: dict[str, Any] = {
    "a cycle": {"$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"},
    "a regular expression": {"pattern": "(a+)+$"},
    "regular expressions of names": {"patternProperties": {"(a+)+$": {}}},
    "seventeen kilobytes of unevaluatedProperties": _wrap(400),
    "too many parts": {
        "$defs": {
            "a": {"allOf": [True] * 80},
            "b": {"allOf": [{"$ref": "#/$defs/a"}] * 80},
        },
        "allOf": [{"$ref": "#/$defs/b"}],
    },
}


def _count_calls(work: Callable[[], object]) -> int:
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    except json_schema.NotQuick:
        pass
    finally:
        sys.setprofile(before)
    return count


def _apply_quickly(schema: Any, value: Any) -> None:
    with json_schema.quick_cost():
        json_schema.find_faults(schema, value)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_costly_schema_leaves_the_loop_and_says_the_same(
    checks: CheckRunner, name: str
) -> None:
    schema, value = HOSTILE[name]
    with pytest.raises(json_schema.NotQuick):
        _apply_quickly(schema, value)
    assert _count_calls(lambda: _apply_quickly(schema, value)) < MOST_CALLS
    assert await checks.find_problem(schema, workspace="w") is None
    found = await checks.find_faults(schema, value, workspace="w")
    assert found == json_schema.find_faults(schema, value)


@pytest.mark.parametrize("name", REFUSED)
async def test_a_schema_without_bounds_is_refused_soon(checks: CheckRunner, name: str) -> None:
    schema = REFUSED[name]
    assert await checks.find_problem(schema, workspace="w")
    with pytest.raises(json_schema.NotQuick), json_schema.quick_cost(0):
        json_schema.find_faults({"type": "string"}, "x")


async def test_what_is_quick_needs_no_sandbox(nowhere: CheckRunner) -> None:
    assert await nowhere.find_faults({"type": "string"}, 1, workspace="w")
    assert await nowhere.find_problem({"type": "object"}, workspace="w") is None
    assert await nowhere.check(GOOD, CATALOGUE, workspace="w") == []


_LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        True,
        False,
        {"type": "string"},
        {"type": ["object", "null"]},
        {"enum": [1, "a", None, [1], {"a": 1}]},
        {"const": {"a": [1]}},
        {"minimum": 3},
        {"multipleOf": 1e-10},
        {"multipleOf": 3},
        {"uniqueItems": True},
        {"maxLength": 2},
        {"required": ["a", "b"]},
    ]
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda keyword, each, times: {keyword: each * times},
            st.sampled_from(["allOf", "anyOf", "oneOf", "prefixItems"]),
            st.lists(inner, min_size=1, max_size=3),
            st.integers(1, 40),
        ),
        st.builds(
            lambda keyword, each: {keyword: each},
            st.sampled_from(
                [
                    "items",
                    "not",
                    "contains",
                    "additionalProperties",
                    "propertyNames",
                    "if",
                    "unevaluatedItems",
                    "unevaluatedProperties",
                ]
            ),
            inner,
        ),
        st.builds(
            lambda keyword, each: {keyword: each},
            st.sampled_from(["properties", "dependentSchemas"]),
            st.dictionaries(st.sampled_from(["a", "b", "p1"]), inner, max_size=3),
        ),
    ),
    max_leaves=12,
)
_VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 1.5, 1e300, 10**400, "a", "ab" * 2_000]),
    lambda inner: st.one_of(
        st.builds(
            lambda each, times: each * times, st.lists(inner, max_size=3), st.integers(1, 300)
        ),
        st.dictionaries(st.sampled_from(["a", "b", "p1", "c"]), inner, max_size=4),
    ),
    max_leaves=6,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(schema=_SCHEMAS, value=_VALUES)
def test_any_accepted_schema_ends_within_the_cost_of_a_loop(schema: Any, value: Any) -> None:
    document = schema if isinstance(schema, dict) else {"allOf": [schema]}
    if json_schema.find_problem(document) is not None:
        return
    assert _count_calls(lambda: _apply_quickly(document, value)) < MOST_CALLS


async def test_a_costly_definition_leaves_the_loop_and_says_the_same(checks: CheckRunner) -> None:
    create = deepcopy(GOOD)
    step = create["definition"]["plan"][0]
    step["config"]["prompt"] = "{{ inputs.topic | upper }} {{ inputs.missing }}" * 60
    create["definition"]["triggers"][0]["static_inputs"]["topic"] = 4
    with pytest.raises(json_schema.NotQuick), json_schema.quick_cost():
        check(create, CATALOGUE)
    found = await checks.check(create, CATALOGUE, workspace="w")
    assert found == check(create, CATALOGUE)
    assert {one.reason for one in found} == {"UNKNOWN_NAME", "INVALID_INPUT"}


def test_a_definition_with_too_many_values_is_not_read() -> None:
    create = deepcopy(GOOD)
    create["definition"]["metadata"] = {"numbers": [0] * 10 * MAX_VALUES}
    (fault,) = check(create, CATALOGUE)
    assert (fault.field, fault.reason) == ("definition", "TOO_LARGE")
    assert _count_calls(lambda: check(create, CATALOGUE)) < 1_000


def test_a_catalogue_comes_back_from_its_form() -> None:
    register_builtins()
    builtins = load_catalogue(dump_catalogue(current_catalogue()))
    assert builtins.actions == current_catalogue().actions
    assert builtins.triggers == current_catalogue().triggers
    again = dump_catalogue(load_catalogue(dump_catalogue(CATALOGUE)))
    assert again == dump_catalogue(CATALOGUE)
    other = replace(CATALOGUE, actions={"post": replace(DELIVER, type="post")})
    post = load_catalogue(dump_catalogue(other)).actions["post"]
    assert (post.config_model, post.describe_output) == (
        DELIVER.config_model,
        DELIVER.describe_output,
    )
    assert (post.gives_output, post.needs_output) == (False, DELIVER.needs_output)


async def test_a_catalogue_without_a_form_is_checked_against_here(nowhere: CheckRunner) -> None:
    known = CATALOGUE.actions["agent_task"]
    assert known.config_model is not None

    class Local(known.config_model):  # type: ignore[name-defined, misc]
        pass

    local = replace(CATALOGUE, actions={"agent_task": replace(known, config_model=Local)})
    with pytest.raises(NoForm):
        dump_catalogue(local)
    create = deepcopy(GOOD)
    create["definition"]["plan"][0]["config"]["prompt"] = "{{ inputs.topic }}" * 300
    assert await nowhere.check(create, local, workspace="w") == check(create, local)


async def test_the_checks_of_one_workspace_do_not_wait_for_those_of_another(
    checks: CheckRunner,
) -> None:
    schema, value = HOSTILE["uniqueItems of objects"]
    many = [
        asyncio.create_task(checks.find_faults(schema, value, workspace="many")) for _ in range(12)
    ]
    assert await checks.find_faults({"type": "string"}, 1, workspace="one")
    assert not any(task.done() for task in many)
    assert await checks.find_faults(schema, value, workspace="one") == []
    assert sum(task.done() for task in many) < len(many)
    assert await asyncio.gather(*many) == [[]] * len(many)
