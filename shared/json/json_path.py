"""Paths into JSON, as refusals tell them: `definition.plan[0].config["a b"]`.

A key that is a word of ASCII letters, digits and `_` without a digit first follows a dot; any
other is a JSON string in brackets. An index is a number in brackets.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

Part = str | int

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART: Final = re.compile(
    r'(?P<dot>\.)?(?P<word>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<at>\d+)\]|\[(?P<key>"(?:[^"\\]|\\.)*")\]'
)


def join_path(base: str, parts: Iterable[Any]) -> str:
    """Returns `base` followed by keys and indexes: `plan[0].config`."""
    for part in parts:
        base = append_path(base, _format(part))
    return base


def append_path(base: str, path: str) -> str:
    """Returns one path behind another; either may be empty."""
    if not base or not path or path.startswith("["):
        return f"{base}{path}"
    return f"{base}.{path}"


def read_path(path: str) -> list[Part]:
    """Returns the keys and indexes of a path. Raises ValueError for a text that is none."""
    found: list[Part] = []
    at = 0
    while at < len(path):
        part = _PART.match(path, at)
        if part is None or (part["word"] is not None and bool(part["dot"]) != bool(at)):
            raise ValueError(f"{path!r} is no path from its character {at}")
        if part["at"] is not None:
            found.append(int(part["at"]))
        else:
            found.append(part["word"] or json.loads(part["key"]))
        at = part.end()
    return found


def _format(part: Any) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    key = str(part)
    if _WORD.fullmatch(key):
        return key
    return f"[{json.dumps(key, ensure_ascii=not key.isprintable())}]"
