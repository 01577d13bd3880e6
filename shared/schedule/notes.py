"""What a reader of a schedule may not expect, in a sentence each."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from shared.schedule import cron, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.cron import DAY, FIELDS, HOUR, MINUTE, MONTH, WEEKDAY, Cron, DayMatch, Field
from shared.schedule.slots import read_cron

# What the values of a field fill, and how many they are.
_WHOLE: Final = {
    MINUTE.name: ("hour", 60),
    HOUR.name: ("day", 24),
    DAY.name: ("month", 0),
    MONTH.name: ("year", 12),
    WEEKDAY.name: ("week", 7),
}
_WITH_SUMMER_TIME: Final = {
    "EST": "America/New_York",
    "MST": "America/Denver",
}
_FIXED: Final = re.compile(r"Etc/GMT([+-])([1-9][0-9]?)", re.ASCII)
_MONTH: Final = timedelta(days=30)
_MONTHS: Final = 12
_OPEN_STEP: Final = re.compile(r"(\*|\w+)/([0-9]+)")


def find_notes(config: ScheduleTriggerConfig) -> list[str]:
    notes = [*_of_cron(config), *_of_every(config)]
    notes += _of_zone(config.timezone)
    if config.on_gap == "skip":
        notes.append("Local times that a clock change skips do not fire.")
    if config.on_fold == "both":
        notes.append("Local times that a clock change repeats fire twice.")
    if config.max_fires is not None and config.at is None:
        times = "once" if config.max_fires == 1 else f"at most {config.max_fires} times"
        notes.append(f"It fires {times}, then no more.")
    return notes


def _of_cron(config: ScheduleTriggerConfig) -> Iterator[str]:
    if config.cron is None:
        return
    found = read_cron(config)
    if (
        config.day_match
        and found == cron.read(config.cron)
        and (found.any_day or found.any_weekday)
    ):
        yield "day_match changes nothing: at most one of day of month and day of week is given."
    else:
        yield from _of_two_days(found, config.day_match)
    yield from _of_fields(config.cron)
    yield from _of_sets(found)


def _of_every(config: ScheduleTriggerConfig) -> Iterator[str]:
    """What a clock change does to a step of elapsed time."""
    if config.every is None or not config.every.is_elapsed:
        return
    if _has_clock_changes(config):
        yield "It goes by elapsed time: after a clock change its local times are other ones."


def _has_clock_changes(config: ScheduleTriggerConfig) -> bool:
    """Whether a change of the clock, by whole hours as most are, moves its local times."""
    every, zone = config.every, zones.load(config.timezone)
    if every is None or timedelta(hours=1) % every.step == timedelta(0):
        return False
    anchor = every.anchor.replace(tzinfo=zone)
    try:
        return any(
            (anchor + n * _MONTH).utcoffset() != anchor.utcoffset() for n in range(1, _MONTHS + 1)
        )
    except OverflowError:
        return False


def _of_zone(name: str) -> Iterator[str]:
    """What a name of a fixed offset leaves out, or means the other way round."""
    if place := _WITH_SUMMER_TIME.get(name):
        yield f"{name} has no summer time; {place} has."
    if offset := _FIXED.fullmatch(name):
        sign = "-" if offset[1] == "+" else "+"
        yield f"{name} is UTC{sign}{int(offset[2]):02}:00 all year, without summer time."


def _of_two_days(found: Cron, day_match: DayMatch | None) -> Iterator[str]:
    """What becomes of a day of month beside a day of week."""
    if found.any_day and found.any_weekday:
        return
    if not found.any_day and not found.any_weekday:
        both = "Day of month and day of week are both given"
        if found.either_day:
            yield f"{both}: it fires on days that match either."
        elif day_match:
            yield f"{both}, and day_match is all: it fires only on days that match both."
        else:
            yield f"{both}, and one starts with *: it fires only on days that match both."
    elif found.either_day:
        every, other = "day of month", "day of week"
        if found.any_weekday:
            every, other = other, every
        yield f"The {every} names every day, so that the {other} leaves none out."


def _of_fields(expression: str) -> Iterator[str]:
    """What becomes of steps."""
    for text, field in zip(expression.split(), FIELDS, strict=True):
        for item in text.split(","):
            if step := _OPEN_STEP.fullmatch(item):
                yield from _of_step(item, step[1], int(step[2]), field)


def _of_step(item: str, first: str, step: int, field: Field) -> Iterator[str]:
    whole, size = _WHOLE[field.name]
    if step > 1 and (not size or size % step):
        yield f"{item} of the {field.name} starts anew each {whole}."
    if first != "*":
        last = "SAT" if field is WEEKDAY else field.names[-1] if field.names else str(field.high)
        first = "SUN" if field is WEEKDAY and first == "7" else first
        yield (
            f"{item} of the {field.name} means from {first} through {last}; Debian's cron has no "
            "step after a single value."
        )


def _of_sets(found: Cron) -> Iterator[str]:
    if found.minutes.bit_count() == 60 and found.hours.bit_count() < 24:
        yield "Its minute is *: it fires 60 times in each of its hours."
    if found.last_workday or found.nearest_workdays:
        yield "A working day is Monday through Friday, also if it is a holiday."
    if not all(cron.month_forms(found)):
        yield "Months that lack the day are left out."
