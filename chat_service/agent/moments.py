"""A moment in plain words or ISO 8601 → the instant that is meant."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared import zones

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*")
_DATE: Final = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_ZONE: Final = re.compile(r"\b(?:UTC|[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_+-]+){1,2})(?![\w/])")
_CLOCK: Final = re.compile(
    r"(?<![\d:])(?P<hour>\d{1,2})(?:[:.h](?P<minute>[0-5]\d))?(?![\d:])"
    r"(?:\s*(?P<half>[ap])\.?m\b)?",
    re.I,
)
_NAMED: Final = {"noon": time(12), "midday": time(12), "midnight": time(0)}


def read_moment(text: str, now: datetime, zone: str) -> datetime | None:
    """Read on the clock of `zone` unless the text has an offset or names a zone.

    A weekday, or no day at all, means the last such time before now. None when the text
    names no time of day, or nothing that is one.
    """
    if iso := _ISO.search(text):
        return _iso(iso[0], _zone(text, zone))
    local = now.astimezone(_zone(text, zone))
    rest = _ZONE.sub(" ", text)
    clock = _clock(_DATE.sub(" ", rest))
    if clock is None:
        return None
    try:
        return _on_its_day(rest.casefold(), clock, local)
    except (ValueError, OverflowError):
        return None


def has_own_zone(text: str) -> bool:
    """Whether the text itself says on whose clock it is."""
    iso = _ISO.search(text)
    if iso and (read := _iso(iso[0], None)) is not None and read.tzinfo is not None:
        return True
    found = _ZONE.search(text)
    return found is not None and found[0] in zones.all_names()


def _iso(text: str, zone: ZoneInfo | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.rstrip(".,;?!"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _zone(text: str, otherwise: str) -> ZoneInfo:
    found = _ZONE.search(text)
    return zones.load(found[0] if found and found[0] in zones.all_names() else otherwise)


def _clock(text: str) -> time | None:
    for word, named in _NAMED.items():
        if re.search(rf"\b{word}\b", text, re.I):
            return named
    found = _CLOCK.search(text)
    if found is None:
        return None
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(found["minute"] or 0))
    except ValueError:
        return None


def _on_its_day(text: str, clock: time, now: datetime) -> datetime:
    if dated := _DATE.search(text):
        return _at(date.fromisoformat(dated[0]), clock, now)
    for word, days in (("yesterday", -1), ("tomorrow", 1), ("today", 0)):
        if word in text:
            return _at(now.date() + timedelta(days=days), clock, now)
    for number, name in enumerate(_DAYS):
        if re.search(rf"\b{name}s?\b", text):
            back = (now.weekday() - number) % 7
            return _latest(now.date() - timedelta(days=back), clock, now, 7)
    return _latest(now.date(), clock, now, 1)


def _latest(day: date, clock: time, now: datetime, apart: int) -> datetime:
    found = _at(day, clock, now)
    return found if found <= now else _at(day - timedelta(days=apart), clock, now)


def _at(day: date, clock: time, now: datetime) -> datetime:
    return datetime.combine(day, clock, now.tzinfo)
