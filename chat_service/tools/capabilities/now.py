"""`now`: the current time."""

from typing import Any
from zoneinfo import ZoneInfo

from shared import errors
from shared.clock import Clock, rfc3339
from shared.registries.capabilities.types import Capability
from shared.schedule import zones

_INPUT = {
    "type": "object",
    "properties": {"time_zone": {"type": "string", "description": "IANA name; left out: UTC only"}},
    "additionalProperties": False,
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "now": {"type": "string", "format": "date-time", "description": "in UTC"},
        "local": {"type": "string", "format": "date-time", "description": "in the zone"},
        "weekday": {"type": "string", "description": "in the zone"},
    },
    "required": ["now", "local", "weekday"],
}


def now_capability(clock: Clock) -> Capability:
    async def handler(arguments: dict[str, Any]) -> dict[str, str]:
        zone = _zone(str(arguments.get("time_zone") or "UTC"))
        moment = clock.now()
        here = moment.astimezone(zone)
        return {
            "now": rfc3339(moment.replace(microsecond=0)),
            "local": here.isoformat(timespec="seconds"),
            "weekday": f"{here:%A}",
        }

    return Capability(
        id="now",
        description="The date, the time and the weekday at this moment.",
        input_schema=_INPUT,
        output_schema=_OUTPUT,
        handler=handler,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return zones.load(zones.check(name))
    except ValueError as exc:
        raise errors.invalid("time_zone", f"{name!r} is no IANA time zone") from exc
