"""JSON Schema (2020-12) as definitions use it: valid, local, and cheap to apply."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import chain
from typing import Any, Final
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from jsonschema_specifications import (  # type: ignore[import-untyped]
    REGISTRY as SPECIFICATIONS,
)
from referencing import Registry
from referencing.exceptions import Unresolvable

from shared.json.json_path import join_path
from shared.text import rule_words

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_FAULTS = 20
MAX_NODES = 5_000  # with every reference written out
# of what one call applies and checks: a fifth of a second, more than what it is meant for
MAX_COST = 800_000
# of what a loop does itself: about ten milliseconds
QUICK_COST: Final = 40_000
_NODE_COST = 80  # of checking one node of a schema
_KEYWORD_COST = 25  # of one keyword, beside the size of what it is applied to
_FRACTION_COST = 200  # of a division without a loss
_EQUALS_COST = 5  # of comparing with a value of an enum
_KEY_COST = 7  # of one part of a value whose equals are looked for
_TEXT_COST = 8  # characters for one
_PART_COST = 6  # of measuring one part of a value
_TRIAL_COST = 100  # of finding out whether one subschema holds

# regular expressions and what else a hostile schema could make us spend hours on
_REFUSED = ("pattern", "patternProperties", "$dynamicRef", "$dynamicAnchor", "$anchor", "$id")
# members that hold data, or subschemas by name, rather than keywords
_DATA = frozenset({"const", "default", "enum", "examples"})
_NAMED = frozenset({"properties", "$defs", "dependentSchemas"})

# references are never fetched
_NOTHING_REMOTE: Registry[Any] = Registry()


class _SchemaRefused(ValueError):
    pass


class _TooMuch(Exception):
    pass


class NotQuick(Exception):
    """What is checked inside `quick_cost` costs more than that."""


def find_problem(schema: Mapping[str, Any]) -> str | None:
    """Why this is not a schema we accept, or None when it is one.

    Beyond validity: `$ref` points to `#/…` inside the schema and never leads back to where
    it stands, and there are no regular expressions.
    """
    if schema.get("$schema", DRAFT) != DRAFT:
        return f"$schema must be {DRAFT}"
    try:
        weight = _NodeCounter(schema).weigh(schema)  # first, since the other takes its time
        with shared_cost() as budget:
            budget.spend(weight * _NODE_COST)
        invalid = next(_meta_validator().iter_errors(schema), None)
    except _SchemaRefused as exc:
        return str(exc)
    except _TooMuch:
        return "it takes too long to check a schema of this size beside the others"
    except RecursionError:
        return "not a valid JSON Schema: nested too deeply"
    if invalid is None:
        return None
    fault = (best_match(invalid.context) if invalid.context else None) or invalid
    where = join_path("", fault.absolute_path) or "schema"
    return f"not a valid JSON Schema: {where}: {_text(fault)}"


class _Budget:
    """What a cost may be, and is. Raises `exceeded`, which is _TooMuch or NotQuick."""

    def __init__(self, limit: int, exceeded: type[Exception] = _TooMuch) -> None:
        self._limit = limit
        self.exceeded = exceeded
        self.spent = 0

    @property
    def left(self) -> int:
        return self._limit - self.spent

    def spend(self, cost: int) -> None:
        self.spent += cost
        if self.spent > self._limit:
            raise self.exceeded


_BUDGET: Final[ContextVar[_Budget | None]] = ContextVar("budget", default=None)


@contextmanager
def shared_cost(max_cost: int = MAX_COST) -> Iterator[_Budget]:
    """What is checked and applied inside costs at most this together.

    Inside another the limit of the outer one holds.
    """
    if (outer := _BUDGET.get()) is not None:
        yield outer
        return
    budget = _Budget(max_cost)
    token = _BUDGET.set(budget)
    try:
        yield budget
    finally:
        _BUDGET.reset(token)


@contextmanager
def quick_cost(most: int = QUICK_COST) -> Iterator[None]:
    """What is checked and applied inside costs at most this together. Raises NotQuick.

    Nothing that is answered inside depends on this limit: what exceeds it has no answer. Inside
    `shared_cost` this takes no more than is left there, and its cost is part of that one.
    """
    outer = _BUDGET.get()
    budget = _Budget(most if outer is None else min(most, outer.left), NotQuick)
    token = _BUDGET.set(budget)
    try:
        yield
    finally:
        _BUDGET.reset(token)
        if outer is not None:
            outer.spent += budget.spent


def spend_quick(cost: int) -> None:
    """Adds the cost of other work to that of `quick_cost`. Raises NotQuick; elsewhere nothing."""
    if (budget := _BUDGET.get()) is not None and budget.exceeded is NotQuick:
        budget.spend(cost)


def find_faults(
    schema: Mapping[str, Any], value: Any, *, max_cost: int = MAX_COST
) -> list[tuple[str, str]]:
    """Where and why a value breaks a schema, at most 20; empty when it fits.

    One that takes too long to be applied to the value is broken by it. `max_cost` holds unless
    this is inside `shared_cost`.
    """
    with shared_cost(max_cost) as budget:
        return _find_faults(schema, value, budget)


def _find_faults(schema: Mapping[str, Any], value: Any, budget: _Budget) -> list[tuple[str, str]]:
    validator = _Validator(schema, registry=_NOTHING_REMOTE)
    found: list[tuple[str, str]] = []
    token = _COST.set(_Cost(budget, schema))
    try:
        for error in chain.from_iterable(map(_leaves, validator.iter_errors(value))):
            found.append((join_path("", error.absolute_path), _text(error)))
            if len(found) == MAX_FAULTS:
                break
    except (Unresolvable, RecursionError, OverflowError, _SchemaRefused) as exc:
        found.append(("", f"the schema cannot be applied: {type(exc).__name__}"))
    except _TooMuch:
        found.append(("", "it takes too long to apply the schema to a value of this size"))
    finally:
        _COST.reset(token)
    return found


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yields the faults of the one alternative whose constants the value has, in place of `anyOf`.

    Any other error is yielded as it is.
    """
    branches: dict[Any, list[ValidationError]] = {}
    if error.validator in ("anyOf", "oneOf"):
        for one in error.context or ():
            branches.setdefault(next(iter(one.relative_schema_path), None), []).append(one)
    meant = [found for found in branches.values() if all(one.validator != "const" for one in found)]
    if len(branches) < 2 or len(meant) != 1:
        yield error
        return
    for one in meant[0]:
        yield from _leaves(one)


def takes_every_object(schema: Mapping[str, Any]) -> bool:
    """True only when no object breaks the schema, so that it need not be applied to one.

    False says nothing: only keywords that are plainly harmless are looked at.
    """
    kinds = schema.get("type", "object")
    return "object" in (kinds if isinstance(kinds, list) else [kinds]) and _takes_everything(
        {keyword: value for keyword, value in schema.items() if keyword != "type"}
    )


def _takes_everything(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return schema is True
    return all(_asks_nothing(keyword, value) for keyword, value in schema.items())


def _asks_nothing(keyword: str, value: Any) -> bool:
    match keyword:
        case "properties":
            return isinstance(value, Mapping) and all(map(_takes_everything, value.values()))
        case "additionalProperties" | "items" | "propertyNames":
            return _takes_everything(value)
        case "required":
            return not value
        case "$schema":  # another draft has other keywords
            return bool(value == DRAFT)
    return keyword not in _KEYWORDS and keyword not in _REFUSED


def fits_plainly(schema: Any, value: Any) -> bool:
    """True only when a value fits, so that the schema need not be applied to it.

    False says nothing: only plain keywords are looked at, in less time than they take to apply.
    """
    if not isinstance(schema, Mapping):
        return schema is True
    return all(_fits(keyword, rule, schema, value) for keyword, rule in schema.items())


def _fits(keyword: str, rule: Any, schema: Mapping[str, Any], value: Any) -> bool:
    match keyword:
        case "type":
            kinds = rule if isinstance(rule, list) else [rule]
            return any(isinstance(value, _KINDS.get(str(kind), ())) for kind in kinds) and (
                not isinstance(value, bool) or "boolean" in kinds
            )
        case "properties" if isinstance(value, dict) and isinstance(rule, Mapping):
            return all(
                fits_plainly(rule[name], item) for name, item in value.items() if name in rule
            )
        case "required" if isinstance(value, dict) and isinstance(rule, list):
            return all(isinstance(name, str) and name in value for name in rule)
        case "additionalProperties" if rule is False and isinstance(value, dict):
            named = schema.get("properties")
            return isinstance(named, Mapping) and value.keys() <= named.keys()
    return _asks_nothing(keyword, rule)


_KINDS: Final[Mapping[Any, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}


def _text(error: ValidationError) -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "minLength" | "minItems" | "minProperties":
            return rule_words.least_words(error.instance, limit)
        case "maxLength" | "maxItems" | "maxProperties":
            return rule_words.most_words(error.instance, limit)
    return error.message if len(error.message) <= 300 else error.message[:297] + "…"


class _Cost:
    """Adds up what applying a schema costs. Raises _TooMuch."""

    def __init__(self, budget: _Budget, root: Mapping[str, Any]) -> None:
        self.root = root
        self._budget = budget
        self._sizes: dict[int, int] = {}  # of parts of the value, which outlives this

    def spend(self, instance: Any, times: int = 1, *, also: int = 0) -> None:
        self._budget.spend(_KEYWORD_COST + times * self._size(instance) + also)

    def _size(self, value: Any) -> int:
        match value:
            case str():
                return 1 + len(value) // _TEXT_COST
            case Mapping() | list():
                found = self._sizes.get(id(value))
                if found is None:
                    # The size of a value is known after its parts were looked at.
                    spend_quick(_PART_COST * len(value))
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
        _COST.get().spend(instance, _times(name, value), also=_breadth(name, value, instance))
        spend_quick(_TRIAL_COST * _trials(name, value, instance))
        yield from keyword(validator, value, instance, schema) or ()

    return apply


def _trials(name: str, value: Any, instance: Any) -> int:
    """How many subschemas are only tried, which takes longer than to apply them."""
    match name:
        case "oneOf" | "anyOf" if isinstance(value, list):
            return len(value)
        case "contains" if isinstance(instance, list):
            return len(instance)
    return name in ("not", "if")


def _times(name: str, value: Any) -> int:
    """How often a keyword looks at the whole of what it is applied to."""
    if name == "enum":
        return len(value)
    return _KEY_COST if name == "uniqueItems" and value else 1


def _breadth(name: str, value: Any, instance: Any) -> int:
    """What a keyword costs for its subschemas, since `true` and `false` have no keyword."""
    parts = len(instance) if isinstance(instance, Mapping | list) else 0
    if name == "enum":
        return _EQUALS_COST * len(value)
    if name == "multipleOf":
        return _FRACTION_COST if isinstance(instance, float) or isinstance(value, float) else 0
    match value:
        case bool() if name != "uniqueItems":
            return _KEYWORD_COST * parts
        case Mapping() if name in _NAMED:
            return len(value) + _KEYWORD_COST * min(len(value), parts)
        case list():
            return _KEYWORD_COST * len(value)
    return 0


def _unique_items(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """The library compares items that can't be sorted each with each."""
    if wanted and isinstance(instance, list) and len(set(map(_key, instance))) < len(instance):
        yield ValidationError("has items that are the same")


def _key(value: Any) -> str:
    """Equal for values that are equal in JSON, where true is not 1 and 1.0 is.

    A text, since nobody can choose values whose texts have the same hash.
    """
    match value:
        case float() if value.is_integer():
            return str(int(value))
        case Mapping():
            members = sorted(f"{json.dumps(name)}:{_key(item)}" for name, item in value.items())
            return f"{{{','.join(members)}}}"
        case list():
            return f"[{','.join(map(_key, value))}]"
    return json.dumps(value)


def _unevaluated_properties(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """The library lists each name once for each subschema, and searches the list."""
    if not isinstance(instance, Mapping):
        return
    evaluated = _evaluated_names(validator, instance, schema, inside=False)
    fits = validator.evolve(schema=wanted).is_valid
    if unfit := [name for name in instance if name not in evaluated and not fits(instance[name])]:
        yield ValidationError(f"has properties that nothing allows: {', '.join(unfit[:20])}")


def _evaluated_names(
    validator: Any, instance: Mapping[str, Any], schema: Any, *, inside: bool = True
) -> set[str]:
    """The properties that a schema that holds accounts for."""
    _COST.get().spend(instance)
    if not isinstance(schema, Mapping):
        return set()
    if "additionalProperties" in schema or (inside and "unevaluatedProperties" in schema):
        return set(instance)
    found = set(instance) & set(schema.get("properties", ()))
    for name, subschema in schema.get("dependentSchemas", {}).items():
        if name in instance:
            found |= _evaluated_names(validator, instance, subschema)
    for subschema in _subschemas_in_place(validator, instance, schema):
        found |= _evaluated_names(validator, instance, subschema)
    return found


def _unevaluated_items(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, list):
        return
    evaluated = _evaluated_indexes(validator, instance, schema, inside=False)
    fits = validator.evolve(schema=wanted).is_valid
    unfit = [n for n, item in enumerate(instance) if n not in evaluated and not fits(item)]
    if unfit:
        yield ValidationError(f"has items that nothing allows: {', '.join(map(str, unfit[:20]))}")


def _evaluated_indexes(
    validator: Any, instance: list[Any], schema: Any, *, inside: bool = True
) -> set[int]:
    """The items that a schema that holds accounts for."""
    _COST.get().spend(instance)
    if not isinstance(schema, Mapping):
        return set()
    if "items" in schema or (inside and "unevaluatedItems" in schema):
        return set(range(len(instance)))
    found = set(range(min(len(instance), len(schema.get("prefixItems", ())))))
    if "contains" in schema:
        fits = validator.evolve(schema=schema["contains"]).is_valid
        found |= {n for n, item in enumerate(instance) if n not in found and fits(item)}
    for subschema in _subschemas_in_place(validator, instance, schema):
        found |= _evaluated_indexes(validator, instance, subschema)
    return found


def _subschemas_in_place(validator: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """The subschemas that apply to the instance itself and hold when the schema does."""

    def holds(subschema: Any) -> bool:
        return bool(validator.evolve(schema=subschema).is_valid(instance))

    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            yield _resolve(_COST.get().root, schema[keyword])
    yield from schema.get("allOf", ())
    yield from filter(holds, (*schema.get("anyOf", ()), *schema.get("oneOf", ())))
    if "if" in schema:
        chosen = "then" if holds(schema["if"]) else "else"
        if chosen == "then":
            yield schema["if"]
        if chosen in schema:
            yield schema[chosen]


_KEYWORDS: Final[Mapping[str, _Keyword]] = {
    **Draft202012Validator.VALIDATORS,
    "uniqueItems": _unique_items,
    "unevaluatedItems": _unevaluated_items,
    "unevaluatedProperties": _unevaluated_properties,
}

_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _counted(name, keyword) for name, keyword in _KEYWORDS.items()}
)


class _NodeCounter:
    """Counts the nodes of a schema as if every reference were written out."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        # By the way to the node, since a reference has many spellings. None: being weighed.
        self._weights: dict[tuple[str, ...], int | None] = {(): None}

    def weigh(self, schema: Any) -> int:
        if not isinstance(schema, Mapping):
            return 1
        total = 1 + sum(self.weigh(child) for child in _subschemas(schema))
        if isinstance(target := schema.get("$ref"), str):
            total += self._target(target)
        if total > MAX_NODES:
            raise _SchemaRefused(f"the schema has more than {MAX_NODES} parts")
        return total

    def _target(self, reference: str) -> int:
        way = _way(reference)
        if way not in self._weights:
            self._weights[way] = None
            self._weights[way] = self.weigh(_resolve(self._root, reference))
        weight = self._weights[way]
        if weight is None:
            raise _SchemaRefused(f"$ref {reference!r} leads back to itself")
        return weight


def _resolve(root: Mapping[str, Any], reference: str) -> Any:
    node: Any = root
    for key in _way(reference):
        if not isinstance(node, Mapping) or key not in node:
            raise _SchemaRefused(f"$ref {reference!r} points to nothing")
        node = node[key]
    return node


def _way(reference: str) -> tuple[str, ...]:
    """The members that lead to what a reference points to, read as the library reads it."""
    if not reference.startswith("#"):
        raise _SchemaRefused(f"$ref {reference!r} must point into the schema itself: #/$defs/…")
    pointer = reference[1:]
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise _SchemaRefused(f"$ref {reference!r} must point into the schema itself: #/$defs/…")
    parts = unquote(pointer[1:]).split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


@cache
def _meta_validator() -> Draft202012Validator:
    """Applies the schema of schemas, with its vocabularies as one: theirs take ten times longer."""
    top: Any = SPECIFICATIONS.contents(DRAFT)
    vocabularies: list[Any] = [
        SPECIFICATIONS.contents(DRAFT.removesuffix("schema") + part["$ref"])
        for part in top["allOf"]
    ]
    merged = {
        keyword: _local(
            {k: v for one in (*vocabularies, top) for k, v in one.get(keyword, {}).items()}
        )
        for keyword in ("properties", "$defs")
    }
    return Draft202012Validator(
        {"type": top["type"], **merged}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def _local(node: Any) -> Any:
    """A part of the schema of schemas, with references into what they are merged into."""
    match node:
        case {"$dynamicRef": "#meta"}:
            return {"$ref": "#"}
        case Mapping():
            return {
                key: f"#{value.partition('#')[2]}"
                if key == "$ref" and isinstance(value, str)
                else _local(value)
                for key, value in node.items()
                if (key, value) != ("items", True)
            }
        case list():
            return [_local(one) for one in node]
    return node


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword, value in schema.items():
        if keyword in _REFUSED:
            raise _SchemaRefused(f"{keyword} is not accepted in a schema here")
        if keyword in _NAMED and isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list) and keyword not in _DATA:
            yield from value
        elif keyword not in _DATA:
            yield value
