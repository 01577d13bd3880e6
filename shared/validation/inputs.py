"""What a run takes in, against the schema its definition declares."""

from collections.abc import Mapping
from typing import Any

from shared.json import json_schema
from shared.json.json_path import join_path

# given to every scheduled run, whether its schema mentions them or not
RUNTIME_INPUTS = frozenset({"fired_at", "scheduled_for", "last_fired_at"})


def check_static(schema: Mapping[str, Any], static: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is already wrong before a run: bad values, and required ones nobody will give."""
    required = schema.get("required") or []
    never = [name for name in required if name not in RUNTIME_INPUTS and name not in static]
    partial = {key: value for key, value in schema.items() if key != "required"}
    return [
        (join_path("", [name]), "is required by inputs.schema") for name in never
    ] + json_schema.find_faults(partial, dict(static))


def check_run(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a run's resolved inputs. Undeclared runtime inputs are no fault.

    Raises NotQuick for a schema that takes longer to apply than the scheduler has time for.
    """
    declared = schema.get("properties") or {}
    judged = {
        name: value
        for name, value in inputs.items()
        if name in declared or name not in RUNTIME_INPUTS
    }
    required = [
        name for name in schema.get("required") or [] if name in inputs and name not in judged
    ]
    asked = _without(schema, required)
    if json_schema.fits_plainly(asked, judged):
        return []
    with json_schema.quick_cost():
        return json_schema.find_faults(asked, judged)


def check_runtime(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the runtime inputs alone, which `check_static` did not see."""
    declared = schema.get("properties") or {}
    judged = {
        name: value for name, value in inputs.items() if name in RUNTIME_INPUTS & set(declared)
    }
    asked = {keyword: schema[keyword] for keyword in ("properties", "$defs") if keyword in schema}
    try:
        with json_schema.quick_cost():
            return json_schema.find_faults(asked, judged)
    except json_schema.NotQuick:
        return [("", "it takes too long to apply the schema to fired_at and the like")]


def describe_fault(fault: tuple[str, str]) -> str:
    """Returns where and what: `topic: is too long`."""
    return ": ".join(filter(None, fault))


def collect_names(schema: Mapping[str, Any], statics: list[Mapping[str, Any]]) -> frozenset[str]:
    """Every name that `inputs` may have in some run."""
    declared = schema.get("properties")
    names = set(declared) if isinstance(declared, Mapping) else set()
    return frozenset(names.union(RUNTIME_INPUTS, *statics))


def _without(schema: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    if not names:
        return dict(schema)
    return {**schema, "required": [n for n in schema["required"] if n not in names]}
