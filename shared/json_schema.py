"""JSON Schema (2020-12) as definitions use it: valid, local, and cheap to apply."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_FAULTS = 20
MAX_NODES = 5_000  # with every reference written out

# regular expressions and what else a hostile schema could make us spend hours on
_REFUSED = ("pattern", "patternProperties", "$dynamicRef", "$dynamicAnchor", "$anchor", "$id")
# members that hold data, or subschemas by name, rather than keywords
_DATA = frozenset({"const", "default", "enum", "examples"})
_NAMED = frozenset({"properties", "$defs", "dependentSchemas"})

# references are never fetched
_NOTHING_REMOTE: Registry[Any] = Registry()


class _Refused(ValueError):
    pass


def problem(schema: Mapping[str, Any]) -> str | None:
    """Why this is not a schema we accept, or None when it is one.

    Beyond validity: `$ref` points to `#/…` inside the schema and never leads back to where
    it stands, and there are no regular expressions.
    """
    if schema.get("$schema", DRAFT) != DRAFT:
        return f"$schema must be {DRAFT}"
    try:
        Draft202012Validator.check_schema(schema)
        _Weighing(schema).weigh(schema)
    except SchemaError as exc:
        fault = (best_match(exc.context) if exc.context else None) or exc
        where = at("", fault.absolute_path) or "schema"
        return f"not a valid JSON Schema: {where}: {_text(fault)}"
    except _Refused as exc:
        return str(exc)
    except RecursionError:
        return "not a valid JSON Schema: nested too deeply"
    return None


def faults(schema: Mapping[str, Any], value: Any) -> list[tuple[str, str]]:
    """Where and why a value breaks a schema, at most 20; empty when it fits."""
    validator = Draft202012Validator(schema, registry=_NOTHING_REMOTE)
    found: list[tuple[str, str]] = []
    try:
        for error in validator.iter_errors(value):
            found.append((at("", error.absolute_path), _text(error)))
            if len(found) == MAX_FAULTS:
                break
    except (Unresolvable, RecursionError) as exc:
        found.append(("", f"the schema cannot be applied: {type(exc).__name__}"))
    return found


def at(base: str, path: Iterable[Any]) -> str:
    """`base` followed by members and indexes: `plan[0].config`."""
    for part in path:
        base += f"[{part}]" if isinstance(part, int) else f".{part}" if base else str(part)
    return base


def _text(error: ValidationError | SchemaError) -> str:
    return error.message if len(error.message) <= 300 else error.message[:297] + "…"


class _Weighing:
    """Counts the nodes of a schema as if every reference were written out."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._weights: dict[str, int | None] = {"#": None}  # None: being weighed

    def weigh(self, schema: Any) -> int:
        if not isinstance(schema, Mapping):
            return 1
        total = 1 + sum(self.weigh(child) for child in _subschemas(schema))
        if isinstance(target := schema.get("$ref"), str):
            total += self._target(target)
        if total > MAX_NODES:
            raise _Refused(f"the schema has more than {MAX_NODES} parts")
        return total

    def _target(self, reference: str) -> int:
        if reference not in self._weights:
            self._weights[reference] = None
            self._weights[reference] = self.weigh(self._resolve(reference))
        weight = self._weights[reference]
        if weight is None:
            raise _Refused(f"$ref {reference!r} leads back to itself")
        return weight

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise _Refused(f"$ref {reference!r} must point into the schema itself: #/$defs/…")
        node: Any = self._root
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or key not in node:
                raise _Refused(f"$ref {reference!r} points to nothing")
            node = node[key]
        return node


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword, value in schema.items():
        if keyword in _REFUSED:
            raise _Refused(f"{keyword} is not accepted in a schema here")
        if keyword in _NAMED and isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list) and keyword not in _DATA:
            yield from value
        elif keyword not in _DATA:
            yield value
