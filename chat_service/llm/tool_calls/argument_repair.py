"""The repairs of a tool call's arguments: a closed list, none of which adds or changes a value."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from chat_service.llm.text import read_arguments

FENCE: Final = "a fence around the arguments was taken off"
STRING: Final = "the arguments were JSON in a string"
EMPTY_BEFORE: Final = "an empty object before the arguments was left out"
DOUBLED: Final = "the arguments were written twice"
TAG: Final = "a tag around the arguments was left out"
COMMA: Final = "a comma too many was left out"
BRACE: Final = "a bracket after the arguments was left out"
COMMENT: Final = "comments in the arguments were left out"

# characters: repairs take about a microsecond for each
MAX_REPAIRED: Final = 100_000
# strings of strings of JSON
_MOST_NESTED: Final = 3
# a string or comment without an end lasts to the end of the text
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)|[^"/]+|.', re.S)
_SPACE: Final = re.compile(r"[\s\ufeff]+")
_FENCE: Final = re.compile(r"```[a-zA-Z0-9]*|~~~[a-zA-Z0-9]*")
_TAG: Final = re.compile(r"</?[\w.:=-]{1,64}>|<[|｜][^<>\n]{1,64}[|｜]>|\[/?[A-Z_]{2,32}\]")
_EMPTY: Final = re.compile(r"\{\s*\}(?=[\s\ufeff]*\{)")
_COMMA: Final = re.compile(r"[,;]")
_BRACE: Final = re.compile(r"[}\]]")
_LEADING: Final = ((_SPACE, ""), (_FENCE, FENCE), (_TAG, TAG), (_EMPTY, EMPTY_BEFORE))
_TRAILING: Final = (
    (_SPACE, ""),
    (_FENCE, FENCE),
    (_TAG, TAG),
    (_COMMA, COMMA),
    (_BRACE, BRACE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedArguments:
    """`text` is JSON of an object; `repairs` says what was done to get it."""

    text: str
    repairs: tuple[str, ...]


def repair_arguments(text: str) -> RepairedArguments | None:
    """Returns the one object that the text holds, by the repairs above; None without one.

    Valid arguments stay as they are. An object that does not end is never completed, and two
    different objects are never one. The values are those that a parser finds in `text`. A text
    beyond MAX_REPAIRED is not repaired.
    """
    return _repair(text, 0)


def strip_comments(text: str) -> str:
    """Returns the text without comments, and without commas before closing brackets."""
    return _strip_inside(text)[0]


def _repair(text: str, depth: int) -> RepairedArguments | None:
    if read_arguments(text) is not None:
        return RepairedArguments(text=text, repairs=())
    if len(text) > MAX_REPAIRED:
        return None
    plain, did = _strip_inside(text)
    start = _skip(plain, 0, _LEADING, did)
    if plain[start : start + 1] == '"':
        return _unquote(plain, start, did, depth)
    found = _object_at(plain, start)
    if found is None:
        return None
    value, end = found
    rest = _skip(plain, end, _TRAILING, did)
    while rest < len(plain):
        again = _object_at(plain, rest)
        if again is None or not _same(value, again[0]):
            return None
        did.append(DOUBLED)
        rest = _skip(plain, again[1], _TRAILING, did)
    kept = plain[start:end]
    if read_arguments(kept) is None:
        return None
    return RepairedArguments(text=kept, repairs=tuple(dict.fromkeys(did)))


def _strip_inside(text: str) -> tuple[str, list[str]]:
    """Leaves out comments, and commas before a closing bracket."""
    did: list[str] = []
    pieces: list[str] = []
    for piece in (mark[0] for mark in _TOKEN.finditer(text)):
        if piece.startswith(("//", "/*")) and len(piece) > 1:
            did.append(COMMENT)
            piece = " "
        pieces.append(piece)
    plain = _without_commas(pieces)
    if len("".join(plain)) != len("".join(pieces)):
        did.append(COMMA)
    return "".join(plain), did


def _without_commas(pieces: list[str]) -> list[str]:
    """Returns the pieces without each comma that only space parts from a closing bracket."""
    # comments and strings part the rest into pieces, so the space may be in several
    words = [
        word
        for piece in pieces
        for word in ([piece] if piece.startswith('"') else re.split(r"(\s+|[,}\]])", piece))
        if word
    ]
    kept: list[str] = []
    after = ""  # the word behind this one that is no space
    for word in reversed(words):
        if not (word == "," and after in ("}", "]")):
            kept.append(word)
        after = after if word.isspace() else word
    return kept[::-1]


def _skip(
    text: str, at: int, marks: tuple[tuple[re.Pattern[str], str], ...], did: list[str]
) -> int:
    while True:
        for pattern, said in marks:
            if found := pattern.match(text, at):
                at = found.end()
                did += [said] if said else []
                break
        else:
            return at


def _unquote(text: str, start: int, did: list[str], depth: int) -> RepairedArguments | None:
    try:
        inner, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    if depth >= _MOST_NESTED or _skip(text, end, _TRAILING, did) < len(text):
        return None
    found = _repair(inner, depth + 1)
    if found is None or not found.text.strip().endswith("}"):
        return None
    repairs = tuple(dict.fromkeys([*did, STRING, *found.repairs]))
    return RepairedArguments(text=found.text, repairs=repairs)


def _object_at(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    try:
        found, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (found, end) if isinstance(found, dict) else None


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


_DECODER: Final = json.JSONDecoder(strict=False)
