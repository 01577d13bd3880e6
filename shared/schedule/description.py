"""A schedule in English: one sentence, and what may surprise."""

import re

from shared.schedule import cron
from shared.schedule.config import ScheduleTriggerConfig

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")


def describe(config: ScheduleTriggerConfig) -> str:
    """`At 09:00 on Monday through Friday, Europe/Paris`; unusual shapes show the expression."""
    minute, hour, day, month, weekday = config.cron.split()
    when = _times(minute, hour)
    which = _dates(day, month, weekday)
    if when is None or which is None:
        return f"At the times of {config.cron!r}, {config.timezone}"
    return f"{when}{which}, {config.timezone}"


def notes(config: ScheduleTriggerConfig) -> list[str]:
    """What a reader of the expression may not expect."""
    found = _of_two_days(cron.read(config.cron))
    if _short_months(config.cron.split()[2]):
        found.append("Months that lack the day are left out.")
    if config.on_gap == "skip":
        found.append("Local times that a clock change skips do not fire.")
    if config.on_fold == "both":
        found.append("Local times that a clock change repeats fire twice.")
    if config.max_fires is not None:
        times = "once" if config.max_fires == 1 else f"at most {config.max_fires} times"
        found.append(f"It fires {times}, then no more.")
    return found


def _of_two_days(read: cron.Cron) -> list[str]:
    """What becomes of a day of month beside a day of week."""
    if read.any_day and read.any_weekday:
        return []
    if not read.any_day and not read.any_weekday:
        both = "Day of month and day of week are both given"
        if read.either_day:
            return [f"{both}: it fires on days that match either."]
        return [f"{both}, and one starts with *: it fires only on days that match both."]
    if read.either_day:
        every, other = "day of month", "day of week"
        if read.any_weekday:
            every, other = other, every
        return [f"The {every} names every day, so that the {other} leaves none out."]
    return []


def _times(minute: str, hour: str) -> str | None:
    if minute == "*" and hour == "*":
        return "Every minute"
    if (step := re.fullmatch(r"\*/([0-9]+)", minute)) and hour == "*" and 60 % int(step[1]) == 0:
        return f"Every {int(step[1])} minutes" if int(step[1]) > 1 else "Every minute"
    if not minute.isdigit():
        return None
    if hour == "*":
        return "Every hour" if int(minute) == 0 else f"Every hour at {int(minute)} past"
    if (step := re.fullmatch(r"\*/([0-9]+)", hour)) and 24 % int(step[1]) == 0:
        past = "" if int(minute) == 0 else f" at {int(minute)} past"
        return f"Every {int(step[1])} hours{past}" if int(step[1]) > 1 else None
    if all(part.isdigit() for part in hour.split(",")):
        hours = sorted({int(part) for part in hour.split(",")})
        return "At " + _list([f"{h:02}:{int(minute):02}" for h in hours])
    return None


def _dates(day: str, month: str, weekday: str) -> str | None:
    days, weekdays, months = _month_days(day), _weekdays(weekday), _months(month)
    if days is None or weekdays is None or months is None:
        return None
    if days and weekdays:
        return f"{days} or{weekdays}{months}"
    return f"{days or weekdays}{months}"


def _month_days(day: str) -> str | None:
    if day == "*":
        return ""
    if day == "L":
        return " on the last day of the month"
    if all(part.isdigit() for part in day.split(",")):
        numbers = sorted({int(part) for part in day.split(",")})
        return f" on day {_list([str(n) for n in numbers])} of the month"
    return None


def _weekdays(weekday: str) -> str | None:
    if weekday == "*":
        return ""
    if span := re.fullmatch(r"(\w+)-(\w+)", weekday):
        first, last = _day(span[1]), _day(span[2])
        return f" on {first} through {last}" if first and last else None
    if nth := re.fullmatch(r"(\w+)#([1-5])", weekday):
        named = _day(nth[1])
        return f" on the {_ORDINALS[int(nth[2])]} {named} of the month" if named else None
    names = [_day(part) for part in weekday.split(",")]
    return " on " + _list([name for name in names if name]) if all(names) else None


def _months(month: str) -> str | None:
    if month == "*":
        return ""
    names = [_month(part) for part in month.split(",")]
    return " in " + _list([name for name in names if name]) if all(names) else None


def _day(text: str) -> str | None:
    if text in cron.DAYS:
        return _DAYS[cron.DAYS.index(text)]
    return _DAYS[int(text)] if text.isdigit() and int(text) < len(_DAYS) else None


def _month(text: str) -> str | None:
    if text in cron.MONTHS:
        return _MONTHS[cron.MONTHS.index(text) + 1]
    return _MONTHS[int(text)] if text.isdigit() and int(text) < len(_MONTHS) else None


def _short_months(day: str) -> bool:
    parts = day.split(",")
    return all(part.isdigit() for part in parts) and min(map(int, parts)) > 28


def _list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
