"""A moment in plain words or ISO 8601 → the instant that is meant."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.schedule import zones

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*", re.I)
_DATE: Final = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_ZONE: Final = re.compile(r"\b(?:UTC|GMT|[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_+-]+){1,2})(?![\w/])")
_CLOCK: Final = re.compile(
    r"(?<![\d:])(?P<hour>\d{1,2})(?:[:.h](?P<minute>[0-5]\d))?(?![\d:])"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?",
    re.I,
)
_NAMED: Final = {"noon": time(12), "midday": time(12), "midnight": time(0)}
_NAMED_CLOCK: Final = re.compile(rf"\b({'|'.join(_NAMED)})\b")
_NEAR_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_DAY: Final = re.compile(
    rf"\b(?:(?P<near>{'|'.join(_NEAR_DAYS)})|(?P<last>last\s+)?(?P<weekday>{'|'.join(_DAYS)})s?)\b"
)
_PART: Final = re.compile(
    r"\b(?:(?P<this>this)\s+|in\s+the\s+)?(?P<part>morning|afternoon|evening)\b"
)
# words beside those that say which day and which time
_FILLERS: Final = frozenset(
    {"about", "around", "at", "clock", "exactly", "h", "hours", "it", "o", "of", "on", "sharp"}
    | {"run", "slot", "the", "time"}
)


def read_moment(text: str, now: datetime, zone: str) -> datetime | None:
    """Read on the clock of `zone` unless the text has an offset or names a zone.

    A weekday, or no day at all, means the last such time before now. None when the text
    names no time of day, nothing that is one, or something else that may change what is meant.
    """
    named = _named_zone(text)
    where = zones.load(named or zone)
    rest = text.replace(named, " ", 1)
    try:
        if iso := _ISO.search(rest):
            found, left = _iso(iso[0], where), _DAY.sub(" ", rest.replace(iso[0], " ").casefold())
        else:
            found, left = _in_words(rest.casefold(), now.astimezone(where))
        if found is None or not set(re.findall(r"\w+", left)) <= _FILLERS:
            return None
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found


def has_own_zone(text: str) -> bool:
    """Whether the text itself says on whose clock it is."""
    iso = _ISO.search(text)
    if iso and (read := _iso(iso[0], None)) is not None and read.tzinfo is not None:
        return True
    return bool(_named_zone(text))


def _iso(text: str, zone: ZoneInfo | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.rstrip(".,;?!"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _named_zone(text: str) -> str:
    found = _ZONE.search(text)
    return found[0] if found and found[0] in zones.all_names() else ""


def _in_words(text: str, now: datetime) -> tuple[datetime | None, str]:
    """The moment, and what of the text was not read."""
    dated, text = _taken(_DATE, text)
    day, text = _taken(_DAY, text)
    part, text = _taken(_PART, text)
    later = part is not None and part["part"] != "morning"
    clock, text = _taken_clock(text, later=later)
    if clock is None or not _belongs(clock, part):
        return None, text
    if dated:
        return _at(date.fromisoformat(dated[0]), clock, now), text
    if day is None and part and part["this"]:
        return _at(now.date(), clock, now), text
    return _on_its_day(day, clock, now), text


def _taken(what: "re.Pattern[str]", text: str) -> "tuple[re.Match[str] | None, str]":
    return what.search(text), what.sub(" ", text, count=1)


def _taken_clock(text: str, *, later: bool) -> tuple[time | None, str]:
    """`later`: an hour before noon is meant to be after it."""
    named, text = _taken(_NAMED_CLOCK, text)
    if named:
        return _NAMED[named[0]], text
    found, text = _taken(_CLOCK, text)
    if found is None:
        return None, text
    hour, half = int(found["hour"]), found["half"] or ("p" if later else "")
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, int(found["minute"] or 0)), text


def _belongs(clock: time, part: "re.Match[str] | None") -> bool:
    """False where it is another part of the day, or any: twelve in the evening may be midnight."""
    match part and part["part"]:
        case "morning":
            return clock.hour < 12
        case "afternoon":
            return clock.hour >= 12
        case "evening":
            return clock.hour > 12
    return True


def _on_its_day(day: "re.Match[str] | None", clock: time, now: datetime) -> datetime:
    if day is None:
        return _latest(now.date(), clock, now, 1)
    if day["near"]:
        return _at(now.date() + timedelta(days=_NEAR_DAYS[day["near"]]), clock, now)
    back = (now.weekday() - _DAYS.index(day["weekday"])) % 7
    if day["last"] and back == 0:
        back = 7
    return _latest(now.date() - timedelta(days=back), clock, now, 7)


def _latest(day: date, clock: time, now: datetime, apart: int) -> datetime:
    found = _at(day, clock, now)
    return found if found <= now else _at(day - timedelta(days=apart), clock, now)


def _at(day: date, clock: time, now: datetime) -> datetime:
    return datetime.combine(day, clock, now.tzinfo)
