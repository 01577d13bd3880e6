"""The path of a field of a payload, as the label of the card's row that shows it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rota_client.terminal.definition import OPEN, Plain
from rota_client.terminal.formatting import format_label, sanitize

_PART: Final = re.compile(r'\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.\[\]]+)')
_ROWS: Final[Mapping[tuple[str | int, ...], str]] = {
    (): "Card",
    ("display_name",): "Name",
    ("description",): "What",
    ("definition",): "Definition",
    ("definition", "name"): "Its name",
    ("definition", "goal"): "Goal",
    ("definition", "triggers"): "Starts by",
    ("definition", "plan"): "Does",
    ("definition", "execution"): "Limits",
    ("definition", "execution", "on_failure"): "On failure",
    ("definition", "inputs"): "Inputs",
    ("resume_time",): "Until",
    ("slot_time",): "Skip",
}
# Rows that there are several of, by what an item of the list is called.
_ITEMS: Final = {"Starts by": "trigger_id", "Does": "step_id", "On failure": "step_id"}
Part = str | int


def format_field(path: str, payload: Plain) -> str:
    """`definition.triggers[0].config.end_time` → `Starts by mornings, end time`."""
    parts = _parse(path)
    size = max(n for n in range(len(parts) + 1) if tuple(parts[:n]) in _ROWS)
    label, rest = _ROWS[tuple(parts[:size])], parts[size:]
    if rest and size == 0 and "definition" not in payload:
        label = "With"  # a card of another kind shows its whole payload in one row
    elif rest and label in ("Card", "Definition"):
        label, rest = format_label(str(rest[0])).capitalize(), rest[1:]
    elif label in _ITEMS and rest and isinstance(rest[0], int):
        item = _find(payload, parts[: size + 1])
        label, rest = f"{label} {_format_item(label, rest[0], item)}", rest[1:]
    is_open = not OPEN.isdisjoint(parts[: len(parts) - len(rest)])
    detail = " ".join(_format_parts(rest, is_open))
    return f"{label}, {detail}" if detail else label


def format_words(path: str) -> str:
    """A path of the request, outside of payloads, in words."""
    words = " ".join(part for part in _parse(path) if isinstance(part, str))
    return format_label(words).capitalize()


def _parse(path: str) -> list[Part]:
    return [
        name or (_unquote(key) if key else int(number)) for number, key, name in _PART.findall(path)
    ]


def _unquote(key: str) -> str:
    """The text of a key in brackets. One that was cut is shown as it came."""
    try:
        return str(json.loads(key))
    except ValueError:
        return key


def _find(value: Any, parts: Sequence[Part]) -> Any:
    for part in parts:
        match value, part:
            case dict(), str():
                value = value.get(part)
            case list(), int() if part < len(value):
                value = value[part]
            case _:
                return None
    return value


def _format_item(label: str, at: int, item: Any) -> str:
    """Returns what the row of an item begins with: its number if rows have one, and its id."""
    number = "" if label == "Starts by" else f"{at + 1}."
    found = item.get(_ITEMS[label]) if isinstance(item, dict) else None
    name = found if isinstance(found, str) and found else ("" if number else str(at + 1))
    return sanitize(f"{number} {name}".strip())


def _format_parts(parts: Sequence[Part], is_open: bool) -> Iterator[str]:
    """Words of a path. Keys that somebody chose, which come after an open one, stay as they are."""
    for at, part in enumerate(parts):
        if isinstance(part, int):
            yield str(part + 1)
        elif is_open:
            yield sanitize(part)
        elif at > 0 or part != "config":
            yield "with" if part == "static_inputs" else format_label(part)
        is_open = is_open or part in OPEN
