"""The differences between two JSON values, field by field."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shared.json import canonical_json
from shared.json.json_path import join_path

# keys that identify the items of a definition's lists
_IDS: Final = ("trigger_id", "step_id")
_ABSENT: Final = object()


def diff_fields(before: Any, after: Any) -> list[dict[str, Any]]:
    """Returns one {path, before, after} per changed field of the canonical forms.

    A new field has no `before`, a removed one no `after`. Triggers and steps are matched by
    their ids and named by their place; a list of texts, or one whose order changed, is one field.
    """
    return list(_compared(canonical_json.normalise(before), canonical_json.normalise(after), ""))


def _compared(before: Any, after: Any, path: str) -> Iterator[dict[str, Any]]:
    match before, after:
        case dict(), dict():
            for key in sorted(before.keys() | after.keys()):
                here = join_path(path, [key])
                yield from _compared(before.get(key, _ABSENT), after.get(key, _ABSENT), here)
        case list(), list() if pairs := _paired(before, after):
            for index, one, other in pairs:
                yield from _compared(one, other, join_path(path, [index]))
        case _ if _same(before, after):
            return
        case _:
            sides = {"before": before, "after": after}
            yield {"path": path, **{k: v for k, v in sides.items() if v is not _ABSENT}}


def _same(before: Any, after: Any) -> bool:
    if before is _ABSENT or after is _ABSENT:
        return before is after
    # bytes, since True == 1 in Python and not in JSON
    return canonical_json.canonical_bytes(before) == canonical_json.canonical_bytes(after)


def _paired(before: list[Any], after: list[Any]) -> list[tuple[int, Any, Any]]:
    """Returns matching items with the place that names them; empty: compare whole lists."""
    for key in _IDS:
        if _identified(before, key) and _identified(after, key):
            return _by_id(before, after, key)
    if len(before) == len(after) and not _is_texts([*before, *after]):
        return [(i, one, other) for i, (one, other) in enumerate(zip(before, after, strict=True))]
    return []


def _is_texts(items: Sequence[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def _identified(items: Sequence[Any], key: str) -> bool:
    return bool(items) and all(isinstance(item, Mapping) and key in item for item in items)


def _by_id(before: list[Any], after: list[Any], key: str) -> list[tuple[int, Any, Any]]:
    old = {item[key]: (i, item) for i, item in enumerate(before)}
    new = {item[key]: (i, item) for i, item in enumerate(after)}
    if [k for k in old if k in new] != [k for k in new if k in old]:
        return []
    gone = [(i, item, _ABSENT) for k, (i, item) in old.items() if k not in new]
    kept = [(i, old[k][1] if k in old else _ABSENT, item) for k, (i, item) in new.items()]
    return gone + kept
