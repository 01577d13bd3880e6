"""A reader of the words of a schedule: which minutes and dates they name. It knows no cron."""

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

MONTHS = list(calendar.month_name)
DAYS = list(calendar.day_name)  # Monday first
ORDINALS = ["first", "second", "third", "fourth", "fifth"]

Dates = Callable[[date], bool]


@dataclass(frozen=True)
class Meaning:
    times: frozenset[tuple[int, int]]  # hour and minute
    dates: Dates


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
    if found := re.fullmatch(r"every (\d+)(?:nd|rd|th) hour from (\d\d) through (\d\d)", words):
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
    if words == "on the last day of the month":
        return _is_last
    if found := re.fullmatch(r"(.+) and (on the last day of the month)", words):
        days = _days_of_month(found[1])
        return lambda day: days(day) or _is_last(day)
    if found := re.fullmatch(
        r"on every (\d+)(?:nd|rd|th) day of the month from (\d+) through (\d+)", words
    ):
        among = set(range(int(found[2]), int(found[3]) + 1, int(found[1])))
        return lambda day: day.day in among
    if found := re.fullmatch(r"on days? (\d.*) of the month", words):
        numbers = _numbers(found[1])
        return lambda day: day.day in numbers
    raise ValueError(f"unknown days: {words!r}")


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
    return lambda day: day.weekday() == weekday and (day.day - 1) // 7 in numbers


def _is_last(day: date) -> bool:
    return day.day == calendar.monthrange(day.year, day.month)[1]


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
