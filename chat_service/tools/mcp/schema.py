"""The schema of an MCP tool's arguments, without what this service can't check or send."""

from collections.abc import Mapping
from typing import Any, Final

from chat_service.llm.text import clean_json
from shared import canonical_json, json_schema

MAX_SCHEMA_BYTES: Final = 32 * 1024
# protobuf limits a Struct to 32 levels, and to fewer within an approval's schema
MAX_SCHEMA_DEPTH: Final = 26

# keywords that only the server checks
_LEFT_OUT: Final = frozenset({"pattern", "patternProperties", "$id", "$anchor", "$schema"})
_NAMED: Final = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
# keywords that hold data, not subschemas
_DATA: Final = frozenset({"const", "default", "enum", "examples"})


def sanitize_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema without unsupported keywords; {"type": "object"} if it is unusable.

    Bounds and values that JSON between the services can't hold, such as the largest 64-bit
    integer, are removed one by one.
    """
    try:
        found = canonical_json.normalise(_without(clean_json(dict(given))), MAX_SCHEMA_DEPTH)
        small = len(canonical_json.canonical_bytes(found)) <= MAX_SCHEMA_BYTES
    except (canonical_json.NotCanonical, RecursionError):
        return {"type": "object"}
    return found if small and json_schema.find_problem(found) is None else {"type": "object"}


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
