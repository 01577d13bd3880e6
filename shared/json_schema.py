"""JSON Schema (2020-12) as definitions use it: valid, local, and cheap to apply."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_FAULTS = 20
MAX_NODES = 5_000  # with every reference written out
# what applying one may cost: some seconds, far more than what it is meant for
MAX_COST = 12_000_000
_KEYWORD_COST = 25  # of one keyword, beside the size of what it is applied to
_TEXT_COST = 8  # characters for one

# regular expressions and what else a hostile schema could make us spend hours on
_REFUSED = ("pattern", "patternProperties", "$dynamicRef", "$dynamicAnchor", "$anchor", "$id")
# members that hold data, or subschemas by name, rather than keywords
_DATA = frozenset({"const", "default", "enum", "examples"})
_NAMED = frozenset({"properties", "$defs", "dependentSchemas"})

# references are never fetched
_NOTHING_REMOTE: Registry[Any] = Registry()


class _Refused(ValueError):
    pass


class _TooMuch(Exception):
    pass


def find_problem(schema: Mapping[str, Any]) -> str | None:
    """Why this is not a schema we accept, or None when it is one.

    Beyond validity: `$ref` points to `#/…` inside the schema and never leads back to where
    it stands, and there are no regular expressions.
    """
    if schema.get("$schema", DRAFT) != DRAFT:
        return f"$schema must be {DRAFT}"
    try:
        _Weighing(schema).weigh(schema)  # first, since the other takes its time
        Draft202012Validator.check_schema(schema)
    except SchemaError as exc:
        fault = (best_match(exc.context) if exc.context else None) or exc
        where = join_path("", fault.absolute_path) or "schema"
        return f"not a valid JSON Schema: {where}: {_text(fault)}"
    except _Refused as exc:
        return str(exc)
    except RecursionError:
        return "not a valid JSON Schema: nested too deeply"
    return None


def find_faults(
    schema: Mapping[str, Any], value: Any, *, max_cost: int = MAX_COST
) -> list[tuple[str, str]]:
    """Where and why a value breaks a schema, at most 20; empty when it fits.

    One that takes too long to be applied to the value is broken by it.
    """
    validator = _Validator(schema, registry=_NOTHING_REMOTE)
    found: list[tuple[str, str]] = []
    token = _COST.set(_Cost(max_cost))
    try:
        for error in validator.iter_errors(value):
            found.append((join_path("", error.absolute_path), _text(error)))
            if len(found) == MAX_FAULTS:
                break
    except (Unresolvable, RecursionError) as exc:
        found.append(("", f"the schema cannot be applied: {type(exc).__name__}"))
    except _TooMuch:
        found.append(("", "it takes too long to apply the schema to a value of this size"))
    finally:
        _COST.reset(token)
    return found


def join_path(base: str, path: Iterable[Any]) -> str:
    """`base` followed by members and indexes: `plan[0].config`."""
    for part in path:
        base += f"[{part}]" if isinstance(part, int) else f".{part}" if base else str(part)
    return base


def _text(error: ValidationError | SchemaError) -> str:
    return error.message if len(error.message) <= 300 else error.message[:297] + "…"


class _Cost:
    """Adds up what applying a schema costs. Raises _TooMuch."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._sizes: dict[int, int] = {}  # of parts of the value, which outlives this

    def spend(self, instance: Any, times: int) -> None:
        self._left -= _KEYWORD_COST + times * self._size(instance)
        if self._left < 0:
            raise _TooMuch

    def _size(self, value: Any) -> int:
        match value:
            case str():
                return 1 + len(value) // _TEXT_COST
            case Mapping() | list():
                found = self._sizes.get(id(value))
                if found is None:
                    names = value if isinstance(value, Mapping) else ()
                    parts = value.values() if isinstance(value, Mapping) else value
                    found = 1 + sum(map(self._size, names)) + sum(map(self._size, parts))
                    self._sizes[id(value)] = found
                return found
        return 1


_COST: Final[ContextVar[_Cost]] = ContextVar("cost")

_Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], Iterable[ValidationError] | None]


def _counted(name: str, keyword: _Keyword) -> _Keyword:
    def apply(
        validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        _COST.get().spend(instance, len(value) if name == "enum" else 1)
        yield from keyword(validator, value, instance, schema) or ()

    return apply


def _unique_items(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """The library compares items that can't be sorted each with each."""
    if wanted and isinstance(instance, list) and len(set(map(_key, instance))) < len(instance):
        yield ValidationError("has items that are the same")


def _key(value: Any) -> Any:
    """Equal for values that are equal in JSON, where true is not 1 and 1.0 is."""
    match value:
        case bool():
            return (bool, value)
        case Mapping():
            return frozenset((name, _key(item)) for name, item in value.items())
        case list():
            return tuple(map(_key, value))
    return value


_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        name: _counted(name, _unique_items if name == "uniqueItems" else keyword)
        for name, keyword in Draft202012Validator.VALIDATORS.items()
    },
)


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
