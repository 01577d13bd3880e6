"""JSON Schema → a small valid value."""

from typing import Any

_FORMATS = {
    "date-time": "2027-01-01T00:00:00Z",
    "date": "2027-01-01",
    "time": "00:00:00Z",
    "uri": "https://demo.invalid/",
    "email": "demo@demo.invalid",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAX_DEPTH = 12


def build_example(schema: dict[str, Any]) -> Any:
    """Builds required properties only, of minimal lengths. Ignores patterns."""
    return _value(schema, schema, 0)


def _value(schema: Any, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], root), root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _value(schema[key][0], root, depth + 1)
    if schema.get("allOf"):
        return _value(_merge(schema["allOf"], root), root, depth + 1)
    return _value_of_type(schema, root, depth)


def _value_of_type(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {
                name: _value(properties.get(name, {}), root, depth + 1)
                for name in schema.get("required", [])
            }
        case "array":
            count = schema.get("minItems", 0)
            return [_value(schema.get("items", {}), root, depth + 1) for _ in range(count)]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "null":
            return None
    return _text(schema)


def _number(schema: dict[str, Any]) -> Any:
    if "minimum" in schema:
        return schema["minimum"]
    if "exclusiveMinimum" in schema:
        return schema["exclusiveMinimum"] + 1
    return min(0, schema.get("maximum", 0))


def _text(schema: dict[str, Any]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = "demo".ljust(schema.get("minLength", 0), ".")
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found


def _merge(parts: list[dict[str, Any]], root: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        whole = _resolve(part["$ref"], root) if "$ref" in part else part
        for key, value in whole.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged
