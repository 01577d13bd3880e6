"""Values → text for a person, with a mark for each character that nobody sees."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from rota_client.invisible_characters import find_invisible, mark_invisible
from rota_client.time_zone import machine_zone

# Characters before a piece of a stream that say which of it are plain.
_CONTEXT: Final = 64


def sanitize(text: str) -> str:
    """Marks control characters and others that nobody sees where they have no use."""
    return mark_invisible(text.replace("\r\n", "\n"))


class StreamedText:
    """The pieces of a text as they come, sanitized as the whole would be.

    It holds back the end of a piece whose use only the next one shows.
    """

    def __init__(self) -> None:
        self._before = ""
        self._held = ""

    def add(self, piece: str) -> str:
        """Returns what can be shown now."""
        text = self._held + piece
        shown = text[: _last_certain(text)]
        self._held = text[len(shown) :]
        return self._show(shown)

    def end(self) -> str:
        """Returns what was held back."""
        held, self._held = self._held, ""
        return self._show(held)

    def _show(self, text: str) -> str:
        whole = sanitize(self._before + text)
        shown = whole[len(sanitize(self._before)) :]
        self._before = (self._before + text)[-_CONTEXT:]
        return shown


def _last_certain(text: str) -> int:
    end = len(text)
    while end and any(find_invisible(f"a{text[end - 1]}")):
        end -= 1
    return end


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
        case float() if math.isfinite(said):
            return f"{Decimal(str(said)):f}"
        case _:
            return sanitize(json.dumps(said, ensure_ascii=False))


def format_label(key: str) -> str:
    return sanitize(key.replace("_", " "))


def format_moment(time: datetime | None) -> str:
    """Formats a time in the machine's zone, or in UTC where that has no such time."""
    if time is None:
        return ""
    zone = machine_zone()
    try:
        here = time.astimezone(ZoneInfo(zone) if zone else None)
    except (OverflowError, ValueError):
        here = time.astimezone(UTC)
    return here.strftime("%Y-%m-%d %H:%M %Z")


def format_span(span: timedelta) -> str:
    """`4 s`, `3 min 5 s`, `2 h 10 min`; `0.4 s` below ten seconds where it has a fraction."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    return f"{hours} h" + (f" {minutes} min" if minutes else "")


def format_cost(micros: int) -> str:
    """Formats millionths of a US dollar; empty for nothing."""
    return f"{micros / 1e6:.4f} USD" if micros else ""


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
