"""Values as a person reads them, with nothing in them that a terminal would obey."""

import json
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from rota_client.zone import machine_zone

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
# they turn the text around them: what is shown would not be what is meant
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """Without control characters, but for line ends and tabs."""
    return "".join(_REPLACED if _obeyed(c) else c for c in text.replace("\r\n", "\n"))


def _obeyed(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) == "Cc" or character in _BIDI


def value(said: Any) -> str:
    """A plain JSON value in a line."""
    match said:
        case bool():
            return "yes" if said else "no"
        case str():
            return clean(said)
        case list() if all(isinstance(entry, str | int) for entry in said):
            return clean(", ".join(str(entry) for entry in said)) or "none"
        case None:
            return "none"
        case _:
            return clean(json.dumps(said, ensure_ascii=False))


def label(key: str) -> str:
    return clean(key.replace("_", " "))


def moment(time: datetime | None) -> str:
    """In the machine's zone."""
    if time is None:
        return ""
    zone = machine_zone()
    here = time.astimezone(ZoneInfo(zone) if zone else None)
    return here.strftime("%Y-%m-%d %H:%M %Z")


def wall_clock(local_time: str) -> str:
    """`2026-11-23T09:00` → `Mon 2026-11-23 09:00`."""
    try:
        return datetime.fromisoformat(local_time).strftime("%a %Y-%m-%d %H:%M")
    except ValueError:
        return clean(local_time)


def offset(span: timedelta | None) -> str:
    """`UTC+1`, `UTC-3:30`."""
    if span is None:
        return ""
    minutes = int(span.total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
