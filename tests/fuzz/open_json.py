"""Structs: configs, schemas and payloads as they are meant, and JSON of any shape."""

import copy
from collections.abc import Callable
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from tests.fuzz.values import ADDRESS_FIELDS, ADDRESSES, ODD_TEXTS

SCHEDULES: Final[tuple[dict[str, Any], ...]] = (
    {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
    {"cron": "*/7 1-3,5 1,15 * 0", "timezone": "America/New_York", "day_match": "all"},
    {"cron": "0 0 29 2 *", "timezone": "UTC", "jitter_seconds": 5},
    {"cron": "30 2 L * *", "timezone": "Asia/Kathmandu", "on_gap": "skip", "max_fires": 3},
    {"cron": "0 0 30 2 *", "timezone": "UTC"},
    {"cron": "@daily", "timezone": "UTC"},
    {"at": "2035-01-01T00:00", "timezone": "Pacific/Apia"},
    {"every": {"unit": "hours", "count": 6, "anchor": "2026-11-23T09:00"}, "timezone": "UTC"},
    {
        "every": {"unit": "weeks", "count": 2, "anchor": "2026-11-23T02:30"},
        "timezone": "Europe/Paris",
        "excluded_dates": ["2026-12-21"],
        "end_time": "2030-01-01T00:00:00Z",
    },
    {
        "cron": "0 9 * * *",
        "timezone": "UTC",
        "start_time": "2027-01-01T00:00:00Z",
        "end_time": "2026-01-01T00:00:00Z",
    },
)
TASKS: Final[tuple[dict[str, Any], ...]] = (
    {"prompt": "Say hello."},
    {"prompt": "Say {{ inputs.topic }}.", "tools": ["now"]},
    {"prompt": "{{ steps.s }}", "tools": ["nothing"], "output_schema": {"type": "object"}},
    {"prompt": "x", "output_schema": {"properties": {"a": {"pattern": "(a+)+$"}}}},
)
SCHEMAS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]},
    {"type": "object", "properties": {"a": {"maxLength": -1}}},
    {"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#"}}},
)
INPUTS: Final[tuple[dict[str, Any], ...]] = ({"topic": "trains", "count": 3}, {})
_EVERY: Final = (*SCHEDULES, *TASKS, *SCHEMAS, *INPUTS)
_KEYS: Final = (
    "cron",
    "timezone",
    "at",
    "every",
    "unit",
    "count",
    "anchor",
    "jitter_seconds",
    "catchup_window_seconds",
    "excluded_dates",
    "max_fires",
    "day_match",
    "prompt",
    "tools",
    "type",
    "$ref",
    "definition",
    "plan",
    "a",
    "",
    "__class__",
    "é",
    "a.b",
    "\x00",
)
_SCALARS: Final = (None, True, False, 0, -1, 1.5, 2**53, 1e308, "", "x", "0 9 * * *", "UTC")


def an_object(field: FieldDescriptor, dice: Random, wild: float) -> dict[str, Any]:
    """A Struct for a field: mostly one of those that the field is meant for."""
    meant = _meant(field)
    if dice.random() > wild:
        return copy.deepcopy(dice.choice(meant))
    match dice.randrange(5):
        case 0:
            return {dice.choice(_KEYS): a_value(dice, 4) for _ in range(dice.randrange(6))}
        case 1:
            return {"a": _deep(dice)}
        case 2:
            return {f"k{place}": "x" for place in range(dice.choice((10, 101, 1_001)))}
        case 3:
            return copy.deepcopy(dice.choice(_EVERY))
        case _:
            found = changed(copy.deepcopy(dice.choice(meant)), dice)
            return found if isinstance(found, dict) else {"a": found}


def _meant(field: FieldDescriptor) -> tuple[dict[str, Any], ...]:
    if field.name == "config":
        return TASKS if "PlanStep" in field.full_name else SCHEDULES
    if field.name == "schema":
        return SCHEMAS
    return INPUTS if field.name == "static_inputs" else _EVERY


def a_value(dice: Random, depth: int) -> Any:
    if depth == 0 or dice.random() < 0.5:
        return dice.choice(_SCALARS) if dice.random() < 0.6 else dice.choice(ODD_TEXTS)
    if dice.random() < 0.5:
        return [a_value(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {dice.choice(_KEYS): a_value(dice, depth - 1) for _ in range(dice.randrange(4))}


def changed(value: Any, dice: Random) -> Any:
    """The value with one place in it changed: removed, added, renamed or given another value."""
    places = list(_places(value))
    if not places:
        return {dice.choice(_KEYS): a_value(dice, 2)}
    box, key = dice.choice(places)
    if key in ADDRESS_FIELDS or (isinstance(box[key], str) and "://" in box[key]):
        box[key] = dice.choice(ADDRESSES)
        return value
    change: Callable[[], None] = dice.choice(
        (
            lambda: box.__setitem__(key, a_value(dice, 2)),
            lambda: box.__delitem__(key),
            lambda: box.__setitem__(key, [box[key]]),
            lambda: box.__setitem__(key, _deep(dice)),
            lambda: _added(box, dice),
            lambda: box.__setitem__(key, str(box[key]) * dice.choice((2, 100))),
        )
    )
    change()
    return value


def _added(box: Any, dice: Random) -> None:
    if isinstance(box, dict):
        box[dice.choice(_KEYS)] = a_value(dice, 2)
    else:
        box.append(a_value(dice, 2))


def _deep(dice: Random) -> Any:
    made: Any = dice.choice(_SCALARS)
    for _ in range(dice.choice((5, 15, 30, 40))):
        made = {"a": made} if dice.random() < 0.5 else [made]
    return made


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for place in range(len(value)):
            yield value, place
            yield from _places(value[place])
