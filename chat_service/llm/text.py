"""Text of a model → text that can be stored."""

import json
import math
import re
from typing import Any

REPLACEMENT = "\ufffd"
# NUL and lone surrogates, which neither PostgreSQL nor UTF-8 can hold
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# where an object begins, well-formed or not: a brace, and nothing or a key with its colon
_OBJECT = re.compile(r"""\{\s*(?:\}|(?:"(?:[^"\\]|\\.)*"|'[^'{}]*'|\w+)\s*:)""", re.S)


def clean(text: str) -> str:
    return _UNSTORABLE.sub(REPLACEMENT, text)


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


def read_object(text: str) -> dict[str, Any] | None:
    """Returns the first JSON object in a text, without the fences or prose around it.

    Returns None when it is broken or cut off; an object inside it is not the answer.
    """
    start = _OBJECT.search(text)
    if start is None:
        return None
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text, start.start())
        cleaned: dict[str, Any] = clean_json(found)
    except (ValueError, RecursionError):
        return None
    return cleaned


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
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
