"""Cron expressions of five fields, matched against naive local minutes."""

import re
from collections.abc import Iterator
from copy import copy
from datetime import datetime, timedelta
from functools import lru_cache

from croniter import (
    CroniterBadDateError,
    CroniterError,
    croniter,
)

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 7, DAYS),
)
_ITEM = re.compile(r"(\*|[0-9]{1,2}|[A-Z]{3})(?:-([0-9]{1,2}|[A-Z]{3}))?(?:/([0-9]{1,2}))?")
_NTH = re.compile(r"([0-7]|[A-Z]{3})#([1-5])")
_ANY_DAY = datetime.fromisoformat("2024-01-01")
# Expressions that were read: to read one takes longer than to find its next minute.
_KEPT = 4_096


@lru_cache(maxsize=_KEPT)
def check(expression: str) -> str:
    """The expression in upper case with single spaces.

    Raises ValueError for anything but five plain fields that name some minute:
    no `@daily`, seconds, years, hashes or random values.
    """
    fields = expression.upper().split()
    if expression.lstrip().startswith("@"):
        raise ValueError(f"{expression.strip()!r} is a nickname; write the five fields out")
    if len(fields) != 5:
        raise ValueError(f"cron has exactly five fields; this has {len(fields)}")
    for text, (name, low, high, names) in zip(fields, FIELDS, strict=True):
        for item in text.split(","):
            _check_item(item, name, low, high, names)
    if "#" in fields[4] and not fields[2].startswith("*"):
        raise ValueError("day of week with # cannot be combined with a day of month")
    result = " ".join(fields)
    _must_have_a_time(result)
    return result


def minutes_from(expression: str, start: datetime) -> Iterator[datetime]:
    """Naive local minutes at or after `start` that match, in order, until the calendar ends."""
    try:
        walk = copy(_read(expression))
        walk.set_current(start - timedelta(microseconds=1), force=True)
        while True:
            yield walk.get_next()
    except (CroniterBadDateError, OverflowError, ValueError):
        return


def matches(expression: str, minute: datetime) -> bool:
    """Whether a naive local minute is one the expression names."""
    return minute.second == 0 and next(minutes_from(expression, minute), None) == minute


def is_every_n(expression: str) -> bool:
    """Whether the schedule is "every so often" rather than at fixed times of day."""
    hour = expression.split()[1]
    return "*" in hour or "/" in hour


def is_either_day(expression: str) -> bool:
    """Whether day of month and day of week are both restricted, so that either is enough."""
    _, _, day, _, weekday = expression.split()
    return day != "*" and weekday != "*"


@lru_cache(maxsize=_KEPT)
def _read(expression: str) -> croniter:
    return croniter(expression, _ANY_DAY, ret_type=datetime)


def _check_item(item: str, name: str, low: int, high: int, names: tuple[str, ...]) -> None:
    if (name == "day of month" and item == "L") or (name == "day of week" and _is_nth(item)):
        return
    found = _ITEM.fullmatch(item)
    if not found:
        raise ValueError(f"{item!r} is not valid for {name}")
    first, last, step = found.groups()
    if first == "*" and last:
        raise ValueError(f"{item!r} is not valid for {name}")
    if step and not 1 <= int(step) <= high:
        raise ValueError(f"step {step} of {name} must be 1 to {high}")
    if first == "*":
        return
    start = _number(first, name, low, high, names)
    if last:
        end = _number(last, name, low, high, names)
        if name == "day of week" and end == 0:
            end = 7  # a range may end on Sunday
        if start >= end:
            raise ValueError(f"range {item!r} of {name} must go from a lower to a higher value")


def _number(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + low
    if not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"{text!r} is not valid for {name} ({low} to {high})")
    return int(text)


def _is_nth(item: str) -> bool:
    found = _NTH.fullmatch(item)
    return found is not None and (found[1].isdigit() or found[1] in DAYS)


def _must_have_a_time(expression: str) -> None:
    try:
        croniter(expression, _ANY_DAY).get_next()
    except CroniterBadDateError as exc:
        raise ValueError(f"{expression!r} never comes: it names no date that exists") from exc
    except CroniterError as exc:
        raise ValueError(f"{expression!r} is not a cron expression") from exc
