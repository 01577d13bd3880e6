"""Text of a model → text that can be stored."""

import json
import math
import re
from collections import deque
from contextlib import suppress
from typing import Any

from shared.db.storable_text import clean
from shared.text.snippet import cut_line

# where an object begins, well-formed or not: a brace, and nothing or a key with its colon
_BRACE_OR_STRING = re.compile(r'[{}]|"(?:[^"\\]|\\.)*(?:"|$)', re.S)
MAX_OBJECTS = 20
_OBJECT = re.compile(r"""\{\s*(?:\}|(?:"(?:[^"\\]|\\.)*"|'[^'{}]*'|\w+)\s*:)""", re.S)


def clean_json(value: Any) -> Any:
    """Returns the value with every string and key cleaned."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(str(key)): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
    return value


def read_objects(text: str) -> list[dict[str, Any]]:
    """Returns the JSON objects in a text, without the fences or prose around them.

    Of more than MAX_OBJECTS only the last are read. An object inside a broken one is not among
    them, and neither is anything after one that is cut off.
    """
    places: deque[tuple[int, int]] = deque(maxlen=MAX_OBJECTS)
    end = 0
    while (start := _OBJECT.search(text, end)) and (end := _end_of(text, start.start())):
        places.append((start.start(), end))
    found: list[dict[str, Any]] = []
    for first, end in places:
        with suppress(ValueError, RecursionError):
            found.append(clean_json(json.loads(text[first:end], strict=False)))
    return found


def _end_of(text: str, start: int) -> int:
    """Returns where an object ends, well-formed or not; 0 when it is cut off."""
    depth = 0
    for mark in _BRACE_OR_STRING.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        if depth == 0 and mark[0] == "}":
            return mark.end()
    return 0


def read_arguments(text: str) -> dict[str, Any] | None:
    """Returns a tool call's arguments, storable; {} for an empty text, None for invalid JSON."""
    if text.strip() in ("", "null"):
        return {}
    try:
        found = json.loads(text, strict=False, parse_constant=_refused, parse_float=_finite)
        return clean_json(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def _refused(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def one_line(text: str, limit: int) -> str:
    """Returns what PostgreSQL can hold of a text, in one line."""
    return cut_line(clean(text), limit)
