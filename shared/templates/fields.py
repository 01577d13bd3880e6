"""The types that a field of a config takes, and a rendered value as one of them."""

import json
from collections.abc import Mapping
from typing import Any, Final

from shared.templates.environment.text import write_text
from shared.templates.faults import TemplateFault, describe_kind

Types = frozenset[str]  # of JSON Schema; empty when any value will do

_MAX_REFERENCES: Final = 8
_WORDS: Final[Mapping[str, str]] = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
_EMPTY: Final[Mapping[str, Any]] = {"null": None, "string": "", "array": [], "object": {}}


class FieldSchema:
    """The schema of one part of a config, with references followed."""

    __slots__ = ("root", "schemas")

    def __init__(self, schema: Any, root: Mapping[str, Any] | None = None) -> None:
        self.root: Mapping[str, Any] = schema if root is None else root
        self.schemas = list(_spread(schema, self.root, _MAX_REFERENCES))

    @property
    def types(self) -> Types:
        """The JSON types that it allows."""
        found: set[str] = set()
        for schema in self.schemas:
            kind = schema.get("type")
            if isinstance(kind, str):
                found.add(kind)
            elif isinstance(kind, list):
                found.update(each for each in kind if isinstance(each, str))
        return frozenset(found)

    def member(self, key: str) -> "FieldSchema":
        return self._below("properties", key)

    def item(self, index: int) -> "FieldSchema":
        for schema in self.schemas:
            prefix = schema.get("prefixItems")
            if isinstance(prefix, list) and index < len(prefix):
                return FieldSchema(prefix[index], self.root)
        return self._below("items", None)

    def _below(self, keyword: str, key: str | None) -> "FieldSchema":
        for schema in self.schemas:
            below = schema.get(keyword)
            if key is not None:
                named = isinstance(below, Mapping) and key in below
                below = below[key] if named else schema.get("additionalProperties")
            if isinstance(below, Mapping):
                return FieldSchema(below, self.root)
        return FieldSchema({}, self.root)


def _spread(schema: Any, root: Mapping[str, Any], left: int) -> Any:
    """Yields the schema and what its references and choices name."""
    if not isinstance(schema, Mapping) or left < 0:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
        yield from _spread(target, root, left - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for choice in schema.get(keyword) or ():
            yield from _spread(choice, root, left - 1)


def fit_value(value: Any, types: Types) -> Any:
    """Returns the value as a field of these types wants it. None is nothing.

    Raises TemplateFault for a value that can't become one.
    """
    if value is None:
        return _fit_nothing(types)
    if not types or types & _types_of(value):
        return int(value) if _is_whole(value, types) else value
    if "string" in types:
        return write_text(value)
    if isinstance(value, str):
        read = _read_json(value)
        if types & _types_of(read) or (read is None and "null" in types):
            return int(read) if _is_whole(read, types) else read
        if not value.strip():
            return _fit_nothing(types)
    kind = describe_kind(value)
    raise TemplateFault(f"{_words(types)} is wanted here, and this is {kind}", kinds=(kind,))


def _fit_nothing(types: Types) -> Any:
    for kind, empty in _EMPTY.items():
        if kind in types:
            return type(empty)() if isinstance(empty, list | dict) else empty
    if types:
        told = f"{_words(types)} is wanted here, and there is no value"
        raise TemplateFault(told, kinds=("nothing",))
    return ""


def _is_whole(value: Any, types: Types) -> bool:
    return isinstance(value, float) and "integer" in types and "number" not in types


def _types_of(value: Any) -> Types:
    match value:
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case float():
            return frozenset({"integer", "number"} if value.is_integer() else {"number"})
        case str():
            return frozenset({"string"})
        case list():
            return frozenset({"array"})
        case dict():
            return frozenset({"object"})
    return frozenset()


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(types: Types) -> str:
    each = [_WORDS.get(kind, kind) for kind in sorted(types - {"null"})]
    return " or ".join(each)
