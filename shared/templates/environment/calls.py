"""Calls of a template that take Python too long in one piece, in pieces that can be interrupted."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final


def make_mapping(pairs: Mapping[Any, Any] | Iterable[Any] = (), /, **named: Any) -> dict[Any, Any]:
    """`dict`, one key after the other: keys with the same hash are compared each with each."""
    made: dict[Any, Any] = {}
    for key, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
        made[key] = value
    for name, value in named.items():
        made[name] = value
    return made


def find_last(text: str, sought: Any, start: Any = None, end: Any = None, /) -> int:
    """`str.rfind` in linear time."""
    if not _is_long(sought):
        return text.rfind(sought, start, end)
    first, last, _ = slice(start, end).indices(len(text))
    found = str(text)[first:last][::-1].find(str(sought)[::-1])
    return -1 if found < 0 else last - found - len(sought)


def index_last(text: str, sought: Any, start: Any = None, end: Any = None, /) -> int:
    """`str.rindex` in linear time."""
    found = find_last(text, sought, start, end)
    if found < 0:
        raise ValueError("substring not found")
    return found


def split_last(text: str, sep: Any = None, maxsplit: int = -1) -> list[str]:
    """`str.rsplit` in linear time."""
    if not _is_long(sep):
        return text.rsplit(sep, maxsplit)
    parts = str(text)[::-1].split(str(sep)[::-1], maxsplit)
    return [type(text)(part[::-1]) for part in reversed(parts)]


def partition_last(text: str, sep: Any, /) -> tuple[str, str, str]:
    """`str.rpartition` in linear time."""
    if not _is_long(sep):
        return text.rpartition(sep)
    kind, at = type(text), find_last(text, sep)
    if at < 0:
        return kind(""), kind(""), text
    return kind(text[:at]), kind(sep), kind(text[at + len(sep) :])


def _is_long(sought: Any) -> bool:
    return isinstance(sought, str) and len(sought) > 1


# A search from the end takes the product of both lengths.
SEARCHES: Final[Mapping[str, Callable[..., Any]]] = {
    "rfind": find_last,
    "rindex": index_last,
    "rsplit": split_last,
    "rpartition": partition_last,
}
