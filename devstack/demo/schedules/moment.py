"""A sentence → the past or coming moment that it names."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from devstack.demo.schedules.dates import DATE, DAYS, find_date, read_date
from devstack.demo.schedules.time_of_day import extract_time
from devstack.demo.schedules.time_zones import extract_zone

_DAY: Final = re.compile(
    rf"\b(?:(?P<date>\d{{4}}-\d\d-\d\d)|(?P<near>today|yesterday)|(?P<weekday>{'|'.join(DAYS)}))\b",
    re.I,
)
_COMING: Final = re.compile(
    rf"(?:on )?(?:(?:(?:{'|'.join(DAYS)}) )?(?P<date>{DATE})|(?P<near>today|tomorrow)"
    rf"|(?:(?:next|this|coming) )?(?P<weekday>{'|'.join(DAYS)}))(?: at)?",
    re.I,
)
_FILLERS: Final = frozenset({"on", "at", "the"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`zone` is the IANA zone that the sentence names; empty if it names none."""

    time: datetime
    zone: str


def parse_moment(text: str, now: datetime) -> Moment | None:
    """Reads the time on the clock of `now`, or of the zone that the sentence names.

    A weekday, or no day, is the last such time before `now`. Returns None unless the sentence
    names a time of day, and nothing but that and a day.
    """
    try:
        clock, rest = extract_time(text)
        zone, rest = extract_zone(rest)
        here = now.astimezone(ZoneInfo(zone)) if zone else now
        day, every, rest = _extract_day(rest, here.date())
    except (ValueError, LookupError):  # a time, a zone or a day that there is none of
        return None
    if clock is None or not set(re.findall(r"\w+", rest.casefold())) <= _FILLERS:
        return None
    moment = datetime.combine(day, clock, here.tzinfo)
    return Moment(time=moment - every if moment > now else moment, zone=zone or "")


def parse_coming_moment(text: str, now: datetime) -> datetime | None:
    """Reads a day to come and a time of it, 00:00 without one, on the clock of `now`.

    Returns None unless the sentence names just that: `tomorrow`, a weekday, `next Monday`, or a
    date, whose next one is meant if it has no year.
    """
    try:
        clock, rest = extract_time(text)
        found = _COMING.fullmatch(" ".join(re.findall(r"[\w-]+", rest)))
        if found is None:
            return None
        today = now.date()
        if found["date"]:
            day = find_date(read_date(found["date"]), today)
        elif found["weekday"]:
            weekday = DAYS.index(found["weekday"].casefold())
            day = today + timedelta(days=(weekday - today.isoweekday() - 1) % 7 + 1)
        else:
            day = today + timedelta(days=int(found["near"].casefold() == "tomorrow"))
    except (ValueError, LookupError):
        return None
    moment = datetime.combine(day, clock or time(), now.tzinfo)
    return moment if moment > now else None


def names_day(text: str) -> bool:
    return bool(_DAY.search(text))


def _extract_day(text: str, today: date) -> tuple[date, timedelta, str]:
    """Returns the day, how often such a day comes if it is no single one, and the rest."""
    found = _DAY.search(text)
    if found is None:
        return today, timedelta(days=1), text
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    if found["date"]:
        return date.fromisoformat(found["date"]), timedelta(0), rest
    if found["near"]:
        days = int(found["near"].casefold() == "yesterday")
        return today - timedelta(days=days), timedelta(0), rest
    days = (today.isoweekday() - DAYS.index(found["weekday"].casefold())) % 7
    return today - timedelta(days=days), timedelta(days=7), rest
