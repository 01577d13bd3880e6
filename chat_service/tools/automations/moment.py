"""A moment that a model writes → an aware datetime."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from chat_service.tools.results import ArgumentsInvalid, ToolStopped

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
    raise ToolStopped(
        ArgumentsInvalid(
            issues=[
                f"{argument}: an RFC 3339 date-time with an offset is needed, such as "
                "2026-11-23T09:00:00+01:00"
            ]
        )
    )
