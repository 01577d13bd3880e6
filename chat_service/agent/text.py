"""Text as models give it → text that can be stored."""

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"
# NUL and lone surrogates, which neither PostgreSQL nor UTF-8 can hold
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    return _UNSTORABLE.sub(REPLACEMENT, text)


def clean_json(value: Any) -> Any:
    """The same value with every string and key of it clean."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(str(key)): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
    return value


def read_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, whatever fences or prose surround it."""
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            cleaned: dict[str, Any] = clean_json(found)
            return cleaned
    return None


def one_line(text: str, limit: int) -> str:
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
