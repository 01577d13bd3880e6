"""Values → text for a person, without terminal control characters."""

import json
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rota_client.time_zone import machine_zone

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
# they turn the text around them: what is shown would not be what is meant
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sanitize(text: str) -> str:
    """Replaces control and bidirectional characters, except line ends and tabs."""
    return "".join(_REPLACED if _is_control(c) else c for c in text.replace("\r\n", "\n"))


def _is_control(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) == "Cc" or character in _BIDI


def format_value(said: Any) -> str:
    """Formats a JSON value as one line."""
    match said:
        case bool():
            return "yes" if said else "no"
        case str():
            return sanitize(said)
        case list() if all(isinstance(entry, str | int) for entry in said):
            return sanitize(", ".join(str(entry) for entry in said)) or "none"
        case None:
            return "none"
        case _:
            return sanitize(json.dumps(said, ensure_ascii=False))


def format_label(key: str) -> str:
    return sanitize(key.replace("_", " "))


def format_moment(time: datetime | None) -> str:
    """Formats a time in the machine's zone."""
    if time is None:
        return ""
    zone = machine_zone()
    here = time.astimezone(ZoneInfo(zone) if zone else None)
    return here.strftime("%Y-%m-%d %H:%M %Z")


def format_wall_clock(local_time: str) -> str:
    """`2026-11-23T09:00` → `Mon 2026-11-23 09:00`."""
    try:
        return datetime.fromisoformat(local_time).strftime("%a %Y-%m-%d %H:%M")
    except ValueError:
        return sanitize(local_time)


def format_offset(span: timedelta | None) -> str:
    """`UTC+1`, `UTC-3:30`."""
    if span is None:
        return ""
    minutes = int(span.total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
