"""Cron as other systems write it: refused, with the expression that works here."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Final

from shared.schedule import cron
from shared.schedule.cron import DAY, DAYS, FIELDS, HOUR, MINUTE, WEEK, WEEKDAY, DayMatch, Field

_NICKNAMES: Final = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
# `@every 15m` of Go, `rate(15 minutes)` of AWS
_RATE: Final = re.compile(r"(?:@EVERY +|RATE\( *)([0-9]{1,4}) *([MHD])[A-Z0-9]* *\)?", re.ASCII)
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)
_WRAPPED: Final = re.compile(r"CRON\((.*)\)")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}\b", re.ASCII)
# a hash of Jenkins, a random value of croniter
_HASH: Final = re.compile(r"[HR](?:\(([0-9]+)-([0-9]+)\))?(?:/([0-9]+))?", re.ASCII)
_HASHED: Final = {MINUTE.name: "17", HOUR.name: "3"}
_RANGE: Final = re.compile(r"([0-9]{1,2}|[A-Z]{3})-([0-9]{1,2}|[A-Z]{3})(?:/([0-9]+))?", re.ASCII)
_STEP: Final = re.compile(r"(\*|[0-9A-Z]+)(?:-[0-9A-Z]+)?/([0-9]+)", re.ASCII)
_LONG_NAME: Final = re.compile(r"[A-Z]{4,}")
# croniter's last of a weekday, and Quartz's other spelling of the last working day
_LAST_FIRST: Final = re.compile(r"L([0-7]|[A-Z]{3})", re.ASCII)
_WL: Final = "WL"
_MIDNIGHT: Final = {MINUTE.name: "60", HOUR.name: "24"}


def check(expression: str, day_match: DayMatch | None = None) -> str:
    """What `cron.check` gives. Raises ValueError that says which expression works, if one does."""
    try:
        return cron.check(expression, day_match)
    except ValueError as exc:
        if advice := _advise_on_days(expression, day_match) or _advise(expression):
            raise ValueError(f"{exc}; {advice}") from exc
        raise


def _advise_on_days(expression: str, day_match: DayMatch | None) -> str:
    """What helps if its days of the month and of the week are right and never meet each other."""
    with suppress(ValueError):
        cron.check(expression, "any")
        if day_match is None:
            return "on days that match either it comes with day_match 'any'"
        return "its days of the month and of the week never meet, so day_match 'all' leaves none"
    return ""


def _advise(expression: str) -> str:
    text = expression.strip().strip("'\"`").strip()
    zone = ""
    if found := _ZONE.fullmatch(text):
        text, zone = found[2].strip(), f" and {found[1]!r} as timezone"
    text = re.sub(r"\s*,\s*", ",", text.upper())
    if found := _WRAPPED.fullmatch(text):
        text = found[1]
    if form := _of_moment(text.split()):
        return f"use {form} instead of cron{zone}"
    corrected = _NICKNAMES.get(text) or _of_rate(text) or _of_fields(text.split())
    if not corrected:
        return _of_interval(text)
    note = ""
    if "?" in text and corrected.split()[4] != "*":
        note = " (in a cron that has ?, Sunday is 1; here Monday is 1, and names are clear)"
    return f"write {corrected!r}{zone}{note}"


def _of_moment(fields: list[str]) -> str:
    """A minute of a year, which cron can't say: at."""
    five = _leave_out_seconds_and_year(fields)
    if len(fields) == len(five) or not re.fullmatch(_YEAR, fields[-1]):
        return ""
    *clock_and_date, weekday = five
    if weekday not in ("*", "?") or not all(one.isdecimal() for one in clock_and_date):
        return ""
    minute, hour, day, month = map(int, clock_and_date)
    try:
        found = datetime(int(fields[-1]), month, day, hour, minute)  # noqa: DTZ001
    except ValueError:
        return ""
    return f"at {found.isoformat(timespec='minutes')!r}"


def _of_interval(text: str) -> str:
    """A step that does not fill an hour or a day, which cron can't say: every."""
    found = _RATE.fullmatch(text)
    if not found or not int(found[1]):
        return ""
    unit = {"M": "minutes", "H": "hours", "D": "days"}[found[2]]
    return f"use every, {int(found[1])} {unit} from an anchor, instead of cron"


def _of_rate(text: str) -> str | None:
    found = _RATE.fullmatch(text)
    if not found:
        return None
    minutes = int(found[1]) * {"M": 1, "H": 60, "D": 1440}[found[2]]
    if minutes and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
    if minutes and minutes % 60 == 0 and 1440 % minutes == 0:
        return f"0 */{minutes // 60} * * *" if minutes < 1440 else "0 0 * * *"
    return None


def _of_fields(fields: list[str]) -> str | None:
    five = _leave_out_seconds_and_year(fields)
    if len(five) != len(FIELDS):
        return None
    counted_from_sunday = "?" in five
    corrected = []
    for text, field in zip(five, FIELDS, strict=True):
        items = ["*"] if text == "?" else text.split(",")
        if counted_from_sunday and field is WEEKDAY:
            items = [re.sub(r"(?<![#/0-9])[1-7]", _day_from_sunday, item) for item in items]
        corrected.append(",".join(_correct_item(item, field) for item in items))
    try:
        return cron.check(" ".join(corrected))
    except ValueError:
        return None


def _leave_out_seconds_and_year(fields: list[str]) -> list[str]:
    """Quartz and Spring begin with seconds, AWS ends with the year, Quartz may have both."""
    match len(fields):
        case 7:
            return fields[1:6]
        case 6:
            ends_with_year = _YEAR.match(fields[5]) or "?" in (fields[2], fields[4])
            return fields[:5] if ends_with_year else fields[1:]
    return fields


def _day_from_sunday(found: re.Match[str]) -> str:
    return DAYS[int(found[0]) - 1]


def _correct_item(item: str, field: Field) -> str:
    if item == _MIDNIGHT.get(field.name):
        return "0"
    if found := _HASH.fullmatch(item):
        low, high, step = found.groups()
        if step:
            return f"{low}-{high}/{step}" if low else f"*/{step}"
        return low or _HASHED.get(field.name, "1")
    if field is WEEKDAY and (last := _LAST_FIRST.fullmatch(item)):
        return f"{last[1]}L"
    if field is DAY and item == _WL:
        return "LW"
    if field is WEEKDAY and item.endswith("L") and item[:-1].isalpha():
        return f"{_short(item[:-1], field)}L"
    item = _LONG_NAME.sub(lambda name: _short(name[0], field), item)
    if (step_of := _STEP.fullmatch(item)) and int(step_of[2]) > field.high:
        return str(field.low) if step_of[1] == "*" else step_of[1]
    if found := _RANGE.fullmatch(item):
        return found[1] if found[1] == found[2] else _unwrap(item, found, field)
    return item


def _short(name: str, field: Field) -> str:
    return name[:3] if name[:3] in field.names else name


def _unwrap(item: str, found: re.Match[str], field: Field) -> str:
    """`22-6` goes on after the last value: `22-23,0-6`."""
    first, last = (_number(text, field) for text in found.group(1, 2))
    if min(first, last) < field.low or max(first, last) > field.high or first <= last:
        return item
    size = WEEK if field is WEEKDAY else field.high - field.low + 1
    if step := int(found[3] or 0):
        values = range(first, last + size + 1, step)
        return ",".join(map(str, sorted((v - field.low) % size + field.low for v in values)))
    if field is WEEKDAY and first == WEEK:
        return f"0-{last}"
    top = "SUN" if found[1] in DAYS else str(WEEK)
    start = field.low + (field is WEEKDAY)  # the week goes on after Sunday, 7, with Monday
    if field is not WEEKDAY:
        top = field.names[-1] if found[1] in field.names else str(field.high)
    bottom = field.names[start - field.low] if found[2] in field.names else str(start)
    head = found[1] if found[1] == top else f"{found[1]}-{top}"
    return f"{head},{bottom}" if last == start else f"{head},{bottom}-{found[2]}"


def _number(text: str, field: Field) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    return int(text) if text.isdigit() else -1
