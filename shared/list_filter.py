"""Filters of lists: the part of AIP-160 that every list takes.

A filter compares fields with values: `state = FAILED AND create_time > "2026-01-01T00:00:00Z"`.
`AND`, `OR`, `NOT` and parentheses join comparisons; as AIP-160 has it, `OR` binds more tightly than
`AND`. A value is a word, or a text in single or double quotes, in which a backslash stands before a
quote or a backslash. Bare words, `:` , `-` and functions are refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

from shared import errors

MAX_COMPARISONS: Final = 50
MAX_DEPTH: Final = 20

_GRAMMAR: Final = r"""
?start: conjunction
?conjunction: disjunction ("AND" disjunction)*
?disjunction: factor ("OR" factor)*
?factor: "NOT" factor -> negation
       | "(" conjunction ")"
       | comparison
comparison: FIELD OPERATOR (WORD | TEXT)

OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">"
TEXT: /"(\\["\\]|[^"\\])*"|'(\\['\\]|[^'\\])*'/
FIELD: /[^\s()=<>!"':\\]+/
WORD: /[^\s()=<>!"'\\]+/
%ignore /\s+/
"""
_JUNCTIONS: Final = frozenset({"AND", "OR", "NOT"})
# Tokens before which a comparison is whole.
_ENDS: Final = frozenset({"$END", "AND", "OR", "RPAR"})
_ORDER: Final = ("=", "!=", "<", "<=", ">", ">=")
_RFC_3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field is compared with: `read` raises ValueError with what the value has to be."""

    operators: Sequence[str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class FieldComparison:
    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Junction:
    """Parts of which all have to hold, or any."""

    parts: "Sequence[Filter]"
    every: bool


@dataclass(frozen=True, slots=True)
class Negation:
    part: "Filter"


Filter = FieldComparison | Junction | Negation


def state(states: type[Enum]) -> Kind:
    """Returns the kind of a field that holds one of `states`, by the name that the API writes."""

    def read(value: str) -> Enum:
        if value not in states.__members__:
            raise ValueError(f"{value!r} is none of {', '.join(states.__members__)}")
        return states[value]

    return Kind(("=", "!="), read)


def _read_time(value: str) -> datetime:
    try:
        if _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it is of no year that there is
        pass
    raise ValueError(f"{value!r} is no RFC 3339 time, such as 2026-01-01T09:00:00Z")


TIME: Final = Kind(_ORDER, _read_time)


def parse(text: str, fields: Mapping[str, Kind]) -> Filter | None:
    """Reads a filter over `fields`; None when it is blank.

    Raises InvalidRequest with the place of what is wrong. A filter has at most 50 comparisons and
    20 parentheses or NOTs inside each other.
    """
    if not text.strip():
        return None
    _check_depth(text)
    try:
        tree = _parser().parse(text)
        found: Filter = _Reader(fields).transform(tree)
    except VisitError as error:
        raise errors.invalid("filter", str(error.orig_exc)) from None
    except UnexpectedToken as error:
        raise errors.invalid("filter", _unexpected(error, fields)) from None
    except UnexpectedCharacters as error:
        raise errors.invalid("filter", _unreadable(text, error.column)) from None
    if _count(found) > MAX_COMPARISONS:
        raise errors.invalid("filter", f"has more than {MAX_COMPARISONS} comparisons")
    return found


def find_values(found: Filter | None, field: str) -> Iterator[Any]:
    """Yields what a filter compares a field with."""
    match found:
        case FieldComparison(field=compared, value=value) if compared == field:
            yield value
        case Junction(parts=parts):
            for part in parts:
                yield from find_values(part, field)
        case Negation(part=part):
            yield from find_values(part, field)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Reads the tree of a filter. Raises ValueError."""

    def __init__(self, fields: Mapping[str, Kind]) -> None:
        super().__init__()
        self._fields = fields

    def comparison(self, field: Token, operator: Token, value: Token) -> Filter:
        kind = self._fields.get(field)
        if kind is None:
            raise ValueError(_unknown_field(field, self._fields))
        if operator not in kind.operators:
            raise ValueError(f"{field} takes {' '.join(kind.operators)}, not {operator}")
        return FieldComparison(str(field), str(operator), kind.read(_unquote(value)))

    def conjunction(self, *parts: Filter) -> Filter:
        return Junction(parts, every=True)

    def disjunction(self, *parts: Filter) -> Filter:
        return Junction(parts, every=False)

    def negation(self, part: Filter) -> Filter:
        return Negation(part)


def _unquote(value: Token) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.type == "TEXT" else str(value)


def _check_depth(text: str) -> None:
    depth = text.count("(") + len(re.findall(r"\bNOT\b", text))
    if depth > MAX_DEPTH:
        raise errors.invalid("filter", f"has more than {MAX_DEPTH} parentheses and NOTs")


def _count(found: Filter) -> int:
    match found:
        case FieldComparison():
            return 1
        case Junction(parts=parts):
            return sum(map(_count, parts))
        case Negation(part=part):
            return _count(part)


def _unknown_field(field: str, fields: Mapping[str, Kind]) -> str:
    listed = ", ".join(fields)
    if field.startswith("-") and field[1:] in fields:
        return f"{field} begins with '-', which is not supported; write NOT {field[1:]}"
    return f"{field} is no field of this filter: {listed}"


def _unexpected(error: UnexpectedToken, fields: Mapping[str, Kind]) -> str:
    token, last = error.token, _last_token(error)
    for one in (last, token):  # a word is a field where a comparison begins
        if one is not None and (word := one.upper()) in _JUNCTIONS and word != one:
            return f"{str(one)!r} at {one.column} is written {word}"
    if token.startswith(":"):
        return f"':' at {token.column} is not supported; write ="
    if last is not None and last.type == "FIELD" and token.type in _ENDS:
        return _lone(last, fields)
    if token.type == "$END":
        return _cut(error, last)
    return f"{str(token)!r} at {token.column} is not expected: a comparison is `field = value`"


def _last_token(error: UnexpectedToken) -> Token | None:
    """The token before the one that is not expected; None after a whole comparison."""
    stack = error.interactive_parser.parser_state.value_stack
    return stack[-1] if stack and isinstance(stack[-1], Token) else None


def _lone(word: Token, fields: Mapping[str, Kind]) -> str:
    """What a word lacks that neither an operator nor a value follows."""
    if word in _JUNCTIONS:
        return f"lacks a comparison before {word} at {word.column}"
    if word in fields:
        return f"{word} at {word.column} lacks an operator and a value, as in `{word} = value`"
    if word.startswith("-") and word[1:] in fields:
        return _unknown_field(word, fields)
    return (
        f"{str(word)!r} at {word.column} lacks a field, as in `field = {word}`; "
        f"fields: {', '.join(fields)}"
    )


def _cut(error: UnexpectedToken, last: Token | None) -> str:
    """What is missing at the end of a filter."""
    if last is not None and last.type == "OPERATOR":
        return f"lacks a value after {last}"
    if "RPAR" in error.accepts:
        return "lacks a ) at its end"
    return f"lacks a comparison after {last}"


def _unreadable(text: str, column: int) -> str:
    there = text[column - 1 : column]
    if there in "\"'":
        return f"the quote at {column} has no end"
    return f"{there!r} at {column} is not part of a filter"
