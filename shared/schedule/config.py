"""The config of a schedule trigger: a cron expression in a time zone, and its limits."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.definition.fields import Block, Text, require_number
from shared.schedule import dialect, zones

WEEK_SECONDS = 7 * 24 * 3600
LONGEST_JITTER = timedelta(hours=1)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _timestamp(value: Any, info: ValidationInfo) -> Any:
    # text only: a bare number would be read as seconds since 1970
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.match(value.strip()):
        raise ValueError("must be an RFC 3339 time such as 2027-01-31T09:00:00+01:00")
    if written := _with_offset(value.strip(), info):
        raise ValueError(f"must have a time of day and an offset from UTC; write {written!r}")
    return value


def _with_offset(value: str, info: ValidationInfo) -> str:
    """The moment that a date, or a local time, means in the zone of the schedule."""
    try:
        local = datetime.fromisoformat(value)
    except ValueError:
        return ""
    if local.tzinfo is not None:
        return ""
    if len(value) <= len("2027-01-31") and info.field_name == "end_time":
        local = local.replace(hour=23, minute=59, second=59)
    try:
        zone = zones.load(info.data.get("timezone", "UTC"))
        return local.replace(microsecond=0, tzinfo=zone).isoformat()
    except (ValueError, OverflowError):
        return ""


def _in_calendar(moment: datetime) -> datetime:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time from 0001 to 9999 in UTC") from None
    return moment


Instant = Annotated[AwareDatetime, BeforeValidator(_timestamp), AfterValidator(_in_calendar)]
Whole = BeforeValidator(require_number)


class ScheduleTriggerConfig(Block):
    cron: Annotated[
        Text,
        Field(
            min_length=1, max_length=200, description="five fields: minute hour day month weekday"
        ),
        AfterValidator(dialect.check),
    ]
    timezone: Annotated[
        Text,
        Field(min_length=1, max_length=64, description="IANA name, such as Europe/Paris"),
        AfterValidator(zones.check),
    ]
    start_time: Annotated[Instant | None, Field(description="no slot before it")] = None
    end_time: Annotated[Instant | None, Field(description="no slot after it")] = None
    max_fires: Annotated[int, Field(ge=1, le=1_000_000_000), Whole] | None = None
    jitter_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=int(LONGEST_JITTER.total_seconds()),
            description="each fire is late by 0 to this many",
        ),
        Whole,
    ] = 0
    catchup_window_seconds: Annotated[
        int,
        Field(ge=0, le=WEEK_SECONDS, description="how late a slot may still fire"),
        Whole,
    ] = 600
    on_gap: Annotated[
        Literal["shift", "skip"],
        Field(description="local times that a clock change skips"),
    ] = "shift"
    on_fold: Annotated[
        Literal["first", "last", "both"] | None,
        Field(
            description="local times that a clock change repeats; absent: first for a fixed "
            "time of day, both for every-N hours"
        ),
    ] = None

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start_time and self.end_time and self.start_time > self.end_time:
            raise PydanticCustomError(
                "time_order", "end_time is before start_time", {"field": "end_time"}
            )
        return self
