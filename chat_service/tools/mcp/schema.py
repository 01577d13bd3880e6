"""The schema of an MCP tool's arguments, without what this service can't check or send."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat_service.llm.text import clean_json
from shared.json import canonical_json, json_schema

MAX_SCHEMA_BYTES: Final = 32 * 1024
MAX_LIST_BYTES: Final = 256 * 1024  # of all tools of one server
# characters of schemas with the keywords that are left out: of one, and of all
_MAX_GIVEN: Final = 4 * MAX_SCHEMA_BYTES
_MAX_LIST_GIVEN: Final = 2 * MAX_LIST_BYTES
# protobuf limits a Struct to 32 levels, and to fewer within an approval's schema
MAX_SCHEMA_DEPTH: Final = 26

# keywords that only the server checks
_LEFT_OUT: Final = frozenset({"pattern", "patternProperties", "$id", "$anchor", "$schema"})
_NAMED: Final = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
# keywords that hold data, not subschemas
_DATA: Final = frozenset({"const", "default", "enum", "examples"})


def sanitize_schemas(given: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Returns the sanitized schemas of a server's tools, and whether some were too much together.

    All share one size and one cost of the check; those beyond accept any object.
    """
    left_given, left = _MAX_LIST_GIVEN, MAX_LIST_BYTES
    found: list[dict[str, Any]] = []
    cut = False
    with json_schema.shared_cost() as cost:
        for one in given:
            left_given -= _size(one)
            sanitized = sanitize_schema(one) if left_given >= 0 else _any_object()
            size = len(canonical_json.canonical_bytes(sanitized))
            cut = cut or left_given < 0 or size > left or cost.spent > json_schema.MAX_COST
            found.append(sanitized if size <= left else _any_object())
            left -= size if size <= left else 0
    return found, cut


def sanitize_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema without unsupported keywords; {"type": "object"} if it is unusable.

    Bounds and values that JSON between the services can't hold, such as the largest 64-bit
    integer, are removed one by one.
    """
    try:
        if _size(given) > _MAX_GIVEN:
            return _any_object()
        found = canonical_json.normalise(_without(clean_json(dict(given))), MAX_SCHEMA_DEPTH)
        small = len(canonical_json.canonical_bytes(found)) <= MAX_SCHEMA_BYTES
    except (canonical_json.NotCanonical, RecursionError):
        return _any_object()
    return found if small and json_schema.find_problem(found) is None else _any_object()


def _size(schema: Mapping[str, Any]) -> int:
    try:
        return len(json.dumps(schema))
    except RecursionError:
        return _MAX_GIVEN + 1


def _any_object() -> dict[str, Any]:
    return {"type": "object"}


def _without(schema: Any) -> Any:
    match schema:
        case dict():
            return {
                key: _kept(key, value)
                for key, value in schema.items()
                if key not in _LEFT_OUT and _can_be_carried(key, value)
            }
        case list():
            return [_without(item) for item in schema]
    return schema


def _kept(key: str, value: Any) -> Any:
    if key in _DATA:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: _without(sub) for name, sub in value.items()}
    return _without(value)


def _can_be_carried(key: str, value: Any) -> bool:
    if key not in _DATA and isinstance(value, (dict, list)):
        return True
    try:
        canonical_json.normalise(value)
    except canonical_json.NotCanonical:
        return False
    return True
