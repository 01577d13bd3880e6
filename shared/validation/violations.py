"""Faults of a definition with their field paths, and the refusal that lists them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared import errors
from shared.errors import FieldReason
from shared.json.canonical_json import NotCanonical
from shared.json.json_path import append_path, join_path
from shared.text import rule_words

TOO_LONG: Final = "it takes too long to check"

_REASONS = {
    "missing": FieldReason.REQUIRED,
    "no_form": FieldReason.REQUIRED,
    "extra_forbidden": FieldReason.UNKNOWN_FIELD,
}
_ASK_FOR_A_VALUE = frozenset({"too_short", "string_too_short", "string_pattern_mismatch"})
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault. `field` is a path such as `definition.plan[0].config.prompt`."""

    field: str
    reason: FieldReason
    message: str

    def under(self, prefix: str) -> "Violation":
        """The same fault seen from a message that holds the value in field `prefix`."""
        return Violation(append_path(prefix, self.field), *self._why)

    @property
    def _why(self) -> tuple[FieldReason, str]:
        return self.reason, self.message


def from_pydantic(exc: ValidationError, base: str, model: type[BaseModel]) -> Iterator[Violation]:
    """The faults that `model` found, under `base`.

    A field that lacks, and stands there under a name that is near, is told of once: at that name.
    """
    found = exc.errors(include_url=False)
    meant = {
        tuple(error["loc"]): _nearest(model, error["loc"])
        for error in found
        if error["type"] == "extra_forbidden"
    }
    misspelt = {(*loc[:-1], name) for loc, name in meant.items() if name}
    for error in found:
        loc: Sequence[Any] = error["loc"]
        if error["type"] == "missing" and tuple(loc) in misspelt:
            continue
        # what is wrong with a key is told of what stands under it
        path = join_path(base, [part for part in loc if part != "[key]"])
        if not loc and (named := error.get("ctx", {}).get("field")):
            path = append_path(base, named)
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, NotCanonical):
            yield Violation(append_path(path, cause.path), FieldReason.NOT_CANONICAL, cause.problem)
            continue
        near = meant.get(tuple(loc))
        hint = f"; did you mean {near}?" if near else ""
        yield Violation(path, _reason(error), f"{describe_fault(error)}{hint}")


def _nearest(model: type[BaseModel], loc: Sequence[Any]) -> str:
    """The field that was likely meant by an unknown one; empty when none is near."""
    holders = [model]
    for part in loc[:-1]:
        # Indexes and the tags of a union are no fields: they stay where they are.
        inner = [kind for holder in holders for kind in _models_of(_fields(holder).get(part))]
        holders = inner or holders
    known = [name for holder in holders for name in _fields(holder)]
    return rule_words.nearest_name(str(loc[-1]), known)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The types of a model's fields by the name that is written."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models_of(kind: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: that of a list, of a union, of what may be absent."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from _models_of(inner)


def _reason(error: ErrorDetails) -> FieldReason:
    if error["type"] in _ASK_FOR_A_VALUE and not error["input"]:
        return FieldReason.REQUIRED
    return _REASONS.get(error["type"], FieldReason.INVALID)


def describe_fault(error: ErrorDetails) -> str:
    """Says what a model found in words, without what was given."""
    said, given = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "too_short" | "string_too_short":
            return rule_words.least_words(given, said["min_length"])
        case "too_long" | "string_too_long":
            return rule_words.most_words(given, said["max_length"])
        case "string_pattern_mismatch":
            return rule_words.pattern_words(said["pattern"], given)
        case kind:
            return _MESSAGES.get(kind) or error["msg"].removeprefix("Value error, ")


def from_faults(
    faults: Iterable[tuple[str, str]], base: str, reason: FieldReason
) -> Iterator[Violation]:
    for path, message in faults:
        yield Violation(append_path(base, path), reason, message)


def refuse(found: Iterable[Violation], *, field: str) -> None:
    """InvalidRequest with each fault's path under `field`, when there are any."""
    faults = [fault.under(field) for fault in found]
    if faults:
        raise errors.InvalidRequest(
            [
                errors.FieldViolation(field=at.field, description=at.message, reason=at.reason)
                for at in faults
            ]
        )
