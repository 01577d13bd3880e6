"""A reader of the words of a schedule: which times and dates they name. It knows no cron."""

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

MONTHS = list(calendar.month_name)
DAYS = list(calendar.day_name)  # Monday first
ORDINALS = ["first", "second", "third", "fourth", "fifth", "last"]

Dates = Callable[[date], bool]


@dataclass(frozen=True)
class Meaning:
    times: frozenset[tuple[int, int]]  # hour and minute
    dates: Dates


@dataclass(frozen=True)
class Times:
    """What the words of a schedule without cron say; without a unit, one moment."""

    anchor: datetime
    count: int = 0
    unit: str = ""


def read_times(words: str) -> Times:
    """Raises ValueError for a sentence that it does not understand as a whole."""
    if found := re.fullmatch(r"Once, at (\S+) on (\w+), (.+)", words):
        moment = _moment(found[3], found[1])
        _require_weekday(moment, found[2])
        return Times(moment)
    if found := re.fullmatch(r"Every (?:(\d+) )?(minute|hour)s? from (\S+) on (.+)", words):
        return Times(_moment(found[4], found[3]), int(found[1] or 1), f"{found[2]}s")
    if found := re.fullmatch(
        r"Every (?:(\d+) )?(day|week)s?(?: on (\w+))? at (\S+) from (.+)", words
    ):
        anchor = _moment(found[5], found[4])
        if found[2] == "week":
            _require_weekday(anchor, found[3])
        return Times(anchor, int(found[1] or 1), f"{found[2]}s")
    raise ValueError(f"unknown times: {words!r}")


def split_exceptions(words: str) -> tuple[str, set[date], int]:
    """The words without their excluded dates, those that are listed, and how many there are."""
    words, _, said = words.partition(", except on ")
    if found := re.fullmatch(r"(\d+) dates between (.+) and (.+)", said):
        return words, {_date(found[2]), _date(found[3])}, int(found[1])
    dates = {_date(one) for one in re.split(r", | and ", said) if one}
    return words, dates, len(dates)


def _moment(day: str, clock: str) -> datetime:
    return datetime.combine(_date(day), time.fromisoformat(clock))


def _date(words: str) -> date:
    day, month, year = words.split()
    return date(int(year), MONTHS.index(month), int(day))


def _day_of_year(words: str) -> date:
    return _date(f"{words} 2024")


def _require_weekday(moment: datetime, name: str) -> None:
    if DAYS[moment.weekday()] != name:
        raise ValueError(f"{moment} is no {name}")


def read_words(words: str) -> Meaning:
    """Raises ValueError for a sentence that it does not understand as a whole."""
    months: Iterable[int] = range(1, 13)
    if found := re.fullmatch(r"In (.+?), (at .*|every .*)", words):
        months = _names(found[1], MONTHS)
        words = found[2]
    times, dates = _split(words[0].lower() + words[1:])
    named = _dates(dates)
    among = set(months)
    return Meaning(
        times=frozenset(_times(times)),
        dates=lambda day: day.month in among and named(day),
    )


def _split(words: str) -> tuple[str, str]:
    at = words.find(" on ")
    return (words, "") if at < 0 else (words[:at], words[at + 1 :])


def _times(words: str) -> set[tuple[int, int]]:
    if found := re.fullmatch(r"at (\d\d:\d\d(?:(?:, | and )\d\d:\d\d)*)", words):
        return {_clock(text) for text in re.split(r", | and ", found[1])}
    if found := re.fullmatch(
        r"every (?:(\d+) )?(minute|hour)s?(?: from (\S+) through (\S+))?", words
    ):
        first, last = _clock(found[3] or "00:00"), _clock(found[4] or "23:59")
        step = int(found[1] or 1) * (60 if found[2] == "hour" else 1)
        start, end = first[0] * 60 + first[1], last[0] * 60 + last[1]
        moments = list(range(start, end + 1, step))
        if found[4] and moments[-1] != end:
            raise ValueError(f"{words!r} does not end where it says")
        return {divmod(moment, 60) for moment in moments}
    if found := re.fullmatch(r"every (?:(\d+) )?hours? at (\d+) past", words):
        return {(hour, int(found[2])) for hour in range(0, 24, int(found[1] or 1))}
    if found := re.fullmatch(r"(.+?)(?: of every hour| in (.+))", words):
        hours = _hours(found[2]) if found[2] else range(24)
        return {(hour, minute) for hour in hours for minute in _minutes(found[1])}
    raise ValueError(f"unknown times: {words!r}")


def _hours(words: str) -> Iterable[int]:
    if found := re.fullmatch(r"every (\d+)(?:st|nd|rd|th) hour from (\d\d) through (\d\d)", words):
        return range(int(found[2]), int(found[3]) + 1, int(found[1]))
    if found := re.fullmatch(r"the hours? (.+)", words):
        return _numbers(found[1])
    raise ValueError(f"unknown hours: {words!r}")


def _minutes(words: str) -> Iterable[int]:
    if words == "every minute":
        return range(60)
    if found := re.fullmatch(r"at minutes? (.+)", words):
        return _numbers(found[1])
    if found := re.fullmatch(r"every (?:(\d+) )?minutes? from minute (\d+) through (\d+)", words):
        return range(int(found[2]), int(found[3]) + 1, int(found[1] or 1))
    raise ValueError(f"unknown minutes: {words!r}")


def _dates(words: str) -> Dates:
    if not words:
        return lambda _: True
    if found := re.fullmatch(r"on (.+) of every year", words):
        named = {(d.month, d.day) for d in map(_day_of_year, re.split(r", | and ", found[1]))}
        return lambda day: (day.month, day.day) in named
    if ", but only " in words:
        days, _, only = words.partition(", but only ")
        one, other = _days_of_month(days), _weekdays(only)
        return lambda day: one(day) and other(day)
    if " or " in words:
        days, _, also = words.partition(" or ")
        one, other = _days_of_month(days), _weekdays(also)
        return lambda day: one(day) or other(day)
    try:
        return _days_of_month(words)
    except ValueError:
        return _weekdays(words)


def _days_of_month(words: str) -> Dates:
    parts = [_day_of_month(part) for part in re.split(r"(?:, | and )(?=on )", words)]
    return lambda day: any(part(day) for part in parts)


def _day_of_month(words: str) -> Dates:
    if words == "on the last day of the month":
        return _is_last
    if found := re.fullmatch(r"on the (?:(\d+)\w\w )?day before the last day of the month", words):
        before = int(found[1] or 1)
        return lambda day: day.day == _length(day) - before
    if words == "on the last working day of the month":
        return lambda day: day.day == max(_working_days(day))
    if found := re.fullmatch(r"on the working day nearest to day (\d+) of the month", words):
        number = int(found[1])
        return lambda day: (
            number <= _length(day)
            and day.day == min(_working_days(day), key=lambda one: abs(one - number))
        )
    if found := re.fullmatch(
        r"on every (\d+)(?:st|nd|rd|th) day of the month from (\d+) through (\d+)", words
    ):
        among = set(range(int(found[2]), int(found[3]) + 1, int(found[1])))
        return lambda day: day.day in among
    if found := re.fullmatch(r"on days? (\d.*) of the month", words):
        numbers = _numbers(found[1])
        return lambda day: day.day in numbers
    raise ValueError(f"unknown days: {words!r}")


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _working_days(day: date) -> list[int]:
    days = (date(day.year, day.month, n) for n in range(1, _length(day) + 1))
    return [one.day for one in days if one.weekday() < 5]


def _weekdays(words: str) -> Dates:
    found: list[Dates] = []
    # a part goes on to the next "on", so that a list keeps its "and"
    for part in re.split(r"(?:, | and |^)on ", words)[1:]:
        if nth := re.fullmatch(r"the (.+) (\w+) of the month", part):
            numbers = {ORDINALS.index(one) for one in re.split(r", | and ", nth[1])}
            found.append(_nth_weekday(numbers, DAYS.index(nth[2])))
        else:
            found.append(_plain_weekday(_names(part, DAYS)))
    if not found:
        raise ValueError(f"unknown days of week: {words!r}")
    return lambda day: any(one(day) for one in found)


def _plain_weekday(days: set[int]) -> Dates:
    return lambda day: day.weekday() in days


def _nth_weekday(numbers: set[int], weekday: int) -> Dates:
    last = ORDINALS.index("last") in numbers
    return lambda day: (
        day.weekday() == weekday
        and ((day.day - 1) // 7 in numbers or (last and day.day + 7 > _length(day)))
    )


def _is_last(day: date) -> bool:
    return day.day == _length(day)


def _names(words: str, names: list[str]) -> set[int]:
    found: set[int] = set()
    for part in re.split(r", | and ", words):
        first, _, last = part.partition(" through ")
        at = names.index(first)
        found.add(at)
        while last and names[at] != last:
            at = (at + 1) % len(names)
            found.add(at)
    return found


def _numbers(words: str) -> set[int]:
    found: set[int] = set()
    for part in re.split(r", | and ", words):
        first, _, last = part.partition(" through ")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _clock(text: str) -> tuple[int, int]:
    hour, _, minute = text.partition(":")
    return int(hour), int(minute)
