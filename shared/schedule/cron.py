"""Cron expressions of five fields: read once into sets, and walked by naive local minutes."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
WEEK: Final = 7
EVERY_DAY: Final = (2 << 31) - 2
EVERY_WEEKDAY: Final = (1 << WEEK) - 1
EVERY_MONTH: Final = (2 << 12) - 2
# How many days a month has, by its number.
LENGTHS: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """What an expression names, as sets: bit n of a set is the value n.

    Bit 0 of `weekdays` is Sunday; bit `7 * (n - 1) + weekday` of `nth_weekdays` is the nth of a
    weekday in a month, n from 1 to 5. Bit n of `last_days` is the day n days before the last of
    a month. A working day is Monday through Friday; bit n of `nearest_workdays` is the one that
    is nearest to day n, in the same month.

    A date is named by its day if `days`, `last_days`, `nearest_workdays` or `last_workday` names
    it, and by its weekday if `weekdays`, `nth_weekdays` or `last_weekdays` does: `either_day`
    says whether one of the two is enough. `every_n_hours` is false for a schedule of fixed times
    of day.
    """

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    last_days: int = 0
    nearest_workdays: int = 0
    last_workday: bool = False
    nth_weekdays: int = 0
    last_weekdays: int = 0
    either_day: bool = False
    every_n_hours: bool = False

    @property
    def any_day(self) -> bool:
        """Whether the field of the day of month names every date."""
        return self.days == EVERY_DAY

    @property
    def any_weekday(self) -> bool:
        """Whether the field of the day of week names every date."""
        return self.weekdays == EVERY_WEEKDAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One of the five fields: its values, and the names that stand for them."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


MINUTE: Final = Field(name="minute", low=0, high=59)
HOUR: Final = Field(name="hour", low=0, high=23)
DAY: Final = Field(name="day of month", low=1, high=31)
MONTH: Final = Field(name="month", low=1, high=12, names=MONTHS)
WEEKDAY: Final = Field(name="day of week", low=0, high=7, names=DAYS)
FIELDS: Final = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)

_ITEM: Final = re.compile(
    r"(\*|[0-9]{1,2}|[A-Z]{3})(?:-([0-9]{1,2}|[A-Z]{3}))?(?:/([0-9]{1,2}))?", re.ASCII
)
_NTH: Final = re.compile(r"([0-7]|[A-Z]{3})#([1-5])", re.ASCII)
_ANY_NTH: Final = re.compile(r"(?:[0-7]|[A-Z]{3})#-?[0-9]*", re.ASCII)
_LAST_WEEKDAY: Final = re.compile(r"([0-7]|[A-Z]{3})L", re.ASCII)
_LAST_DAY: Final = re.compile(r"L(?:-([0-9]{1,2}))?", re.ASCII)
_NEAREST: Final = re.compile(r"([0-9]{1,2})W", re.ASCII)
_LAST_WORKDAY: Final = "LW"
_SATURDAY: Final = 6
# The days of a month that are the same weekday as its first.
_SEVENTHS: Final = 1 << 1 | 1 << 8 | 1 << 15 | 1 << 22 | 1 << 29
_ONE_MINUTE: Final = timedelta(minutes=1)
# Expressions that were read: to read one takes longer than to find its next minutes.
_KEPT: Final = 4_096


DayMatch = Literal["any", "all"]


@lru_cache(maxsize=_KEPT)
def check(expression: str, day_match: DayMatch | None = None) -> str:
    """The expression in upper case with single spaces.

    Raises ValueError for anything but five plain fields that name some minute:
    no `@daily`, seconds, years, hashes or random values.
    """
    fields = expression.upper().split()
    if expression.lstrip().startswith("@"):
        raise ValueError(f"{expression.strip()!r} is a nickname, not the five fields of cron")
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"cron has exactly five fields, without seconds and year; this has {len(fields)}"
        )
    result = " ".join(fields)
    if not any(month_forms(read(result, day_match))):
        raise ValueError(f"{result!r} never comes: it names no date that exists")
    return result


@lru_cache(maxsize=_KEPT)
def read(expression: str, day_match: DayMatch | None = None) -> Cron:
    """Reads an expression of the form that `check` gives. Raises ValueError for any other.

    `day_match` says whether a date has to match the day of the month and the day of the week, or
    one of them if both are given. None: as in Debian's cron, where a field that starts with *
    leaves the days to the other.
    """
    minute, hour, day, month, weekday = expression.split()
    days, weekdays = day.split(","), weekday.split(",")
    plain = _read_items([item for item in weekdays if not _is_of_month(item)], WEEKDAY)
    either_day = not (day.startswith("*") or weekday.startswith("*"))
    if day_match is not None:
        either_day = day_match == "any" and "*" not in (day, weekday)
    return Cron(
        minutes=_read_items(minute.split(","), MINUTE),
        hours=_read_items(hour.split(","), HOUR),
        days=_read_items([item for item in days if not _is_relative(item)], DAY),
        last_days=_read_last_days(days),
        nearest_workdays=_read_nearest(days),
        last_workday=_LAST_WORKDAY in days,
        months=_read_items(month.split(","), MONTH),
        weekdays=(plain | plain >> WEEK) & EVERY_WEEKDAY,  # 7 is Sunday, as 0 is
        nth_weekdays=_read_nth(weekdays),
        last_weekdays=_read_last_weekdays(weekdays),
        either_day=either_day,
        every_n_hours="*" in hour or "/" in hour,
    )


def minutes_from(
    cron: Cron, start: datetime, excluded: Collection[date] = ()
) -> Iterator[datetime]:
    """Naive local minutes at or after `start` that match, in order, until the calendar ends.

    Those of excluded dates are left out.
    """
    first = start.replace(second=0, microsecond=0)
    try:
        first = first if first == start else first + _ONE_MINUTE
    except OverflowError:
        return
    hours, minutes = values(cron.hours), values(cron.minutes)
    begun = first.date()
    for day in dates_from(cron, begun):
        if excluded and day in excluded:
            continue
        year, month, number = day.year, day.month, day.day
        is_first = day == begun
        for hour in hours:
            if is_first and hour < first.hour:
                continue
            for minute in minutes:
                found = datetime(year, month, number, hour, minute)  # noqa: DTZ001
                if not is_first or found >= first:
                    yield found


def dates_from(cron: Cron, start: date) -> Iterator[date]:
    """Local dates at or after `start` that match, in order, until the calendar ends."""
    shapes = _month_shapes(cron)
    from_start = -1 << start.day
    for year in range(start.year, date.max.year + 1):
        for month in range(1, 13):
            if not cron.months >> month & 1 or (year, month) < (start.year, start.month):
                continue
            found = shapes[_shape_of(year, month)]
            if (year, month) == (start.year, start.month):
                found &= from_start
            for day in values(found):
                yield date(year, month, day)


def matches(cron: Cron, minute: datetime) -> bool:
    """Whether a naive local minute is one the expression names."""
    return bool(
        not minute.second
        and not minute.microsecond
        and cron.minutes >> minute.minute & 1
        and cron.hours >> minute.hour & 1
        and cron.months >> minute.month & 1
        and _month_shapes(cron)[_shape_of(minute.year, minute.month)] >> minute.day & 1
    )


@lru_cache(maxsize=_KEPT)
def values(bits: int) -> tuple[int, ...]:
    """The values of a set, in order."""
    return tuple(n for n in range(bits.bit_length()) if bits >> n & 1)


def days_of_month(cron: Cron, first_weekday: int, length: int) -> int:
    """The set of days that match in a month of a form, if its month is named."""
    month = (2 << length) - 2
    by_day = cron.days | _days_from_end(cron, first_weekday, length)
    by_weekday = 0
    for weekday in range(WEEK):
        offset = (weekday - first_weekday) % WEEK
        if cron.weekdays >> weekday & 1:
            by_weekday |= _SEVENTHS << offset
        for n in range(5):
            if cron.nth_weekdays >> WEEK * n + weekday & 1:
                by_weekday |= 2 << offset + WEEK * n
        if cron.last_weekdays >> weekday & 1:
            by_weekday |= 2 << offset + (length - 1 - offset) // WEEK * WEEK
    return month & (by_day | by_weekday if cron.either_day else by_day & by_weekday)


def _days_from_end(cron: Cron, first_weekday: int, length: int) -> int:
    """The days of a month that its length or its weekdays decide."""
    bits = 0
    for before in values(cron.last_days):
        bits |= 1 << max(length - before, 0)
    for day in values(cron.nearest_workdays):
        if day <= length:
            bits |= 1 << _find_workday(day, first_weekday, length)
    if cron.last_workday:
        bits |= 1 << length - {_SATURDAY: 1, 0: 2}.get((first_weekday + length - 1) % WEEK, 0)
    return bits


def _find_workday(day: int, first_weekday: int, length: int) -> int:
    """The day of a month, Monday through Friday, that is nearest to a day of it."""
    match (first_weekday + day - 1) % WEEK:
        case 6:
            return day - 1 if day > 1 else day + 2
        case 0:
            return day + 1 if day < length else day - 2
    return day


def month_forms(cron: Cron) -> Iterator[int]:
    """The days that match in each form that one of its months has in some year."""
    for month in values(cron.months):
        for length in (28, 29) if month == 2 else (LENGTHS[month],):
            for first in range(WEEK):
                yield days_of_month(cron, first, length)


@lru_cache(maxsize=_KEPT)
def _month_shapes(cron: Cron) -> tuple[int, ...]:
    """The days that match in the 28 forms of a month: seven first weekdays, four lengths."""
    return tuple(
        days_of_month(cron, first, length) for first in range(WEEK) for length in range(28, 32)
    )


def _shape_of(year: int, month: int) -> int:
    length = LENGTHS[month]
    if month == 2 and (year % 4 or (year % 100 == 0 and year % 400)):
        length = 28
    return date(year, month, 1).isoweekday() % WEEK * 4 + length - 28


def _read_items(items: list[str], field: Field) -> int:
    bits = 0
    for item in items:
        for value in _read_item(item, field):
            bits |= 1 << value
    return bits


def _read_item(item: str, field: Field) -> range:
    found = _ITEM.fullmatch(item)
    if not found:
        if field is WEEKDAY and _ANY_NTH.fullmatch(item):
            raise ValueError(f"{item!r} is not valid for {field.name}: after # is 1 to 5")
        raise ValueError(f"{item!r} is not valid for {field.name} ({_values_of(field)})")
    first, last, step_text = found.groups()
    step = int(step_text or 1)
    if not 1 <= step <= field.high:
        raise ValueError(f"step {step} of {field.name} is not of 1 to {field.high}")
    if first == "*":
        if last:
            raise ValueError(f"{item!r} is not valid for {field.name}")
        return range(field.low, field.high + 1, step)
    start = _number(first, field)
    if last is None:
        return _steps_from(start, step, field) if step_text else range(start, start + 1)
    end = _number(last, field)
    if field is WEEKDAY and end == 0 < start:
        end = WEEK  # a range may end on Sunday
    if start > end:
        raise ValueError(f"range {item!r} of {field.name} does not go from low to high")
    if start == end and step > 1:
        raise ValueError(f"{item!r} of {field.name} has steps and names one value")
    return range(start, end + 1, step)


def _steps_from(start: int, step: int, field: Field) -> range:
    """`5/10` of a field is `5-59/10`; of the day of week it goes from Sunday, 0, to Saturday."""
    if field is WEEKDAY:
        return range(start % WEEK, WEEK, step)
    return range(start, field.high + 1, step)


def _is_relative(item: str) -> bool:
    """Whether an item of the day of the month depends on the month."""
    return item == _LAST_WORKDAY or any(one.fullmatch(item) for one in (_LAST_DAY, _NEAREST))


def _is_of_month(item: str) -> bool:
    """Whether an item of the day of the week names some of them in a month."""
    return any(one.fullmatch(item) for one in (_NTH, _LAST_WEEKDAY))


def _read_nth(items: list[str]) -> int:
    bits = 0
    for one in filter(None, map(_NTH.fullmatch, items)):
        bits |= 1 << _number(one[1], WEEKDAY) % WEEK + WEEK * (int(one[2]) - 1)
    return bits


def _read_last_weekdays(items: list[str]) -> int:
    bits = 0
    for one in filter(None, map(_LAST_WEEKDAY.fullmatch, items)):
        bits |= 1 << _number(one[1], WEEKDAY) % WEEK
    return bits


def _read_last_days(items: list[str]) -> int:
    bits = 0
    for one in filter(None, map(_LAST_DAY.fullmatch, items)):
        before = int(one[1] or 0)
        if one[1] and not 1 <= before < DAY.high:
            raise ValueError(f"{one[0]!r} is not valid for {DAY.name} (L-1 to L-{DAY.high - 1})")
        bits |= 1 << before
    return bits


def _read_nearest(items: list[str]) -> int:
    bits = 0
    for one in filter(None, map(_NEAREST.fullmatch, items)):
        bits |= 1 << _number(one[1], DAY)
    return bits


def _number(text: str, field: Field) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise ValueError(f"{text!r} is not valid for {field.name} ({_values_of(field)})")
    return int(text)


def _values_of(field: Field) -> str:
    names = f", or {', '.join(field.names)}" if field.names else ""
    return f"{field.low} to {field.high}{names}"
