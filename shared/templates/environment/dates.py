"""Dates in templates: a moment as RFC 3339 has it, written in a form, in a zone, days away."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from shared.schedule import zones
from shared.templates.faults import TemplateFault, describe_kind

MAX_FORM: Final = 200  # characters
_OUTSIDE: Final = "this date is outside of the calendar, which has the years 1 to 9999"
_CODE: Final = re.compile("%(-?.|$)", re.DOTALL)
_MONTHS: Final = (
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
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _hour12(moment: datetime) -> int:
    return moment.hour % 12 or 12


# English names, whatever the locale of the process.
_CODES: Final[Mapping[str, Callable[[datetime], str]]] = {
    "%": lambda _: "%",
    "A": lambda at: _DAYS[at.weekday()],
    "B": lambda at: _MONTHS[at.month - 1],
    "G": lambda at: f"{at.isocalendar().year:04}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{_hour12(at):02}",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "V": lambda at: f"{at.isocalendar().week:02}",
    "Y": lambda at: f"{at.year:04}",
    "Z": lambda at: at.tzname() or "",
    "a": lambda at: _DAYS[at.weekday()][:3],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "d": lambda at: f"{at.day:02}",
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "m": lambda at: f"{at.month:02}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "u": lambda at: str(at.isoweekday()),
    "y": lambda at: f"{at.year % 100:02}",
    "z": lambda at: f"{at:%z}",
    "-H": lambda at: str(at.hour),
    "-I": lambda at: str(_hour12(at)),
    "-d": lambda at: str(at.day),
    "-m": lambda at: str(at.month),
}


def write_date(value: Any, form: str, zone: str, days: int) -> str:
    """Returns a moment in a form such as `%A, %-d %B %Y`, so many days later in its zone.

    A date without a time is midnight in the zone. Raises TemplateFault.
    """
    if not isinstance(form, str) or len(form) > MAX_FORM:
        raise TemplateFault(f"the form of a date is a text of at most {MAX_FORM} characters")
    if isinstance(days, bool) or not isinstance(days, int):
        raise TemplateFault(f"the days are a whole number, not {describe_kind(days)}")
    moment = _read_moment(value, _load_zone(zone))
    try:
        moment += timedelta(days=days)  # by the wall clock
    except OverflowError as error:
        raise TemplateFault(_OUTSIDE, values=(value,)) from error
    return _CODE.sub(lambda found: _write_code(found[1], moment), form)


def _write_code(code: str, moment: datetime) -> str:
    if (write := _CODES.get(code)) is None:
        known = " ".join(f"%{each}" for each in sorted(_CODES))
        raise TemplateFault(f"a date has no form %{code}; forms: {known}")
    return write(moment)


def _load_zone(zone: Any) -> tzinfo:
    try:
        return UTC if zone in ("UTC", "") else zones.load(zone)
    except (TypeError, ValueError) as error:
        told = str(error) if isinstance(error, ValueError) else "a zone is a text"
        raise TemplateFault(told) from error


def _read_moment(value: Any, zone: tzinfo) -> datetime:
    """Returns the moment of a text, in the zone."""
    try:
        if isinstance(value, str):
            text = value.strip()
            value = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
        if isinstance(value, datetime):
            return value.astimezone(zone) if value.tzinfo else value.replace(tzinfo=zone)
        if isinstance(value, date):
            return datetime.combine(value, time(), zone)
    except OverflowError as error:
        raise TemplateFault(_OUTSIDE, values=(value,)) from error
    except ValueError as error:
        raise TemplateFault(
            "this text is no date such as 2026-11-23 or 2026-11-23T09:00:00Z", values=(value,)
        ) from error
    raise TemplateFault(f"a date can't be made of {describe_kind(value)}", values=(value,))
