"""Moments: a model's RFC 3339 text → an aware datetime, and a datetime → words."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from chat_service.runtime.ports import SkippedSlotView, SlotView, TriggerView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.results import refuse_argument
from shared.schedule import zones

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)", re.I | re.A
)
_ZONE_MARGIN: Final = timedelta(days=2)


def read_moment(text: str, argument: str) -> datetime:
    """Reads an RFC 3339 date-time with an offset. Raises ToolStopped, naming the argument."""
    try:
        if _RFC_3339.fullmatch(text):
            found = datetime.fromisoformat(text.upper())
            # raises OverflowError where a time zone could leave the years that datetime holds
            for margin in (-_ZONE_MARGIN, _ZONE_MARGIN):
                found.astimezone(UTC) + margin
            return found
    except (ValueError, OverflowError):
        pass
    raise refuse_argument(
        argument,
        "an RFC 3339 date-time with an offset is needed, such as 2026-11-23T09:00:00+01:00",
    )


def format_moment(moment: datetime, zone: str) -> str:
    """Formats a moment on the clock of an IANA zone: `Monday, 2026-11-23 09:00 (Europe/Paris)`."""
    return format_local(moment.astimezone(zones.load(zone)).isoformat(), zone)


def format_for(run: AgentRun, moment: datetime) -> str:
    """Formats a moment likewise, on the clock of the person of a run."""
    return format_moment(moment, run.context.runtime.time_zone)


def format_slot(trigger: TriggerView, slot: SlotView | SkippedSlotView) -> str:
    """Formats a slot of a trigger likewise, on the clock of its schedule."""
    return format_local(slot.local_time, str(trigger.config.get("timezone", "UTC")))


def format_local(local_time: str, zone: str) -> str:
    """Formats a time in ISO 8601 that a clock of the zone shows, in the same words."""
    return f"{datetime.fromisoformat(local_time):%A, %Y-%m-%d %H:%M} ({zone})"
