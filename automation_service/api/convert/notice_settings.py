"""Conversion of notice settings to and from protobuf."""

from datetime import time, timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from rota.automation.v1 import notice_settings_pb2 as pb

from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox.notice_settings import (
    APPROVAL_DELAY,
    FAILURE_INTERVAL,
    NoticeSettings,
)
from shared import errors
from shared.aip import resolve_mask
from shared.rpc.messages.timestamps import to_timestamp
from shared.schedule.quiet_hours import WEEK, QuietHours

LONGEST_FAILURE_INTERVAL: Final = timedelta(days=7)
LONGEST_APPROVAL_DELAY: Final = timedelta(days=1)
_CHANGED: Final = ("routes", "quiet_hours", "failure_interval", "approval_delay")
QuietHoursDay: Final = pb.NoticeSettings.QuietHours.Day
_FIRST_DAY: Final = pb.NoticeSettings.QuietHours.MONDAY


def notice_settings(
    found: NoticeSettings, *, etag: str, payload_digest: str = ""
) -> pb.NoticeSettings:
    return pb.NoticeSettings(
        name=found.resource,
        routes=[
            pb.NoticeSettings.Route(kind=kind.name, places=places)
            for kind, places in found.routes.items()
        ],
        quiet_hours=None if found.quiet_hours is None else _quiet_message(found.quiet_hours),
        failure_interval=_duration(found.failure_interval),
        approval_delay=_duration(found.approval_delay),
        update_time=to_timestamp(found.update_time),
        etag=etag,
        payload_digest=payload_digest,
    )


def notice_settings_values(message: pb.NoticeSettings, mask: list[str]) -> dict[str, Any]:
    """Returns the fields that an update changes, by name. Raises InvalidRequest."""
    changed = resolve_mask(
        mask,
        allowed=_CHANGED,
        present=[name for name in _CHANGED if _is_present(message, name)],
        prefix="notice_settings",
        kind=pb.NoticeSettings,
    )
    read = {
        "routes": _routes,
        "quiet_hours": _quiet_hours,
        "failure_interval": _failure_interval,
        "approval_delay": _approval_delay,
    }
    return {name: read[name](message) for name in changed}


def _is_present(message: pb.NoticeSettings, name: str) -> bool:
    return bool(message.routes) if name == "routes" else message.HasField(name)


def _routes(message: pb.NoticeSettings) -> dict[NoticeKind, tuple[str, ...]]:
    found: dict[NoticeKind, tuple[str, ...]] = {}
    for number, route in enumerate(message.routes):
        kind = NoticeKind[pb.NoticeSettings.Kind.Name(route.kind)]
        if kind in found:
            raise errors.invalid(
                f"notice_settings.routes[{number}].kind",
                f"has a route already: {kind.name}",
                errors.FieldReason.DUPLICATE_ID,
            )
        found[kind] = tuple(route.places)
    return found


def _quiet_hours(message: pb.NoticeSettings) -> QuietHours | None:
    if not message.HasField("quiet_hours"):
        return None
    said = message.quiet_hours
    return QuietHours(
        time_zone=said.time_zone,
        start=time.fromisoformat(said.start),
        end=time.fromisoformat(said.end),
        days=frozenset(day - _FIRST_DAY for day in said.days) or WEEK,
    )


def _quiet_message(quiet: QuietHours) -> pb.NoticeSettings.QuietHours:
    days = [] if quiet.days == WEEK else sorted(quiet.days)
    return pb.NoticeSettings.QuietHours(
        time_zone=quiet.time_zone,
        start=f"{quiet.start:%H:%M}",
        end=f"{quiet.end:%H:%M}",
        days=[QuietHoursDay.Name(day + _FIRST_DAY) for day in days],
    )


def _failure_interval(message: pb.NoticeSettings) -> timedelta:
    return _seconds(
        message, "failure_interval", default=FAILURE_INTERVAL, most=LONGEST_FAILURE_INTERVAL
    )


def _approval_delay(message: pb.NoticeSettings) -> timedelta:
    return _seconds(message, "approval_delay", default=APPROVAL_DELAY, most=LONGEST_APPROVAL_DELAY)


def _seconds(
    message: pb.NoticeSettings, name: str, *, default: timedelta, most: timedelta
) -> timedelta:
    if not message.HasField(name):
        return default
    said: Duration = getattr(message, name)
    limit = int(most.total_seconds())
    if said.nanos or not 0 <= said.seconds <= limit:
        raise errors.invalid(
            f"notice_settings.{name}", f"must be whole seconds, from 0 to {limit:,}"
        )
    return timedelta(seconds=said.seconds)


def _duration(value: timedelta) -> Duration:
    return Duration(seconds=int(value.total_seconds()))
