"""The config of a schedule trigger: which times it names in a time zone, and its limits."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.definition.fields import Block, Text, require_number
from shared.schedule import cron as expressions
from shared.schedule import dialect, zones
from shared.schedule.cron import DayMatch
from shared.schedule.interval import ELAPSED, UNITS

WEEK_SECONDS = 7 * 24 * 3600
LONGEST_JITTER = timedelta(hours=1)
MOST_EXCLUDED: Final = 366
# The longest step of a schedule.
LONGEST_STEP: Final = timedelta(days=366)
FORMS: Final = ("cron", "at", "every")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?", re.ASCII)
# What has no meaning in a form, and why. Each option is at fault where it is not its default.
_ONCE: Final = "has no effect on at, which fires once; leave it out"
_NO_CRON: Final = "chooses between the day fields of cron; leave it out"
_NO_CLOCK: Final = "has no effect on minutes and hours, which go by elapsed time; leave it out"


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


def _local_time(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    if isinstance(value, str) and _LOCAL.fullmatch(value.strip()):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("is no time that the calendar has") from None
    advice = _without_offset(value, info)
    raise ValueError(f"must be a local time without an offset, such as {advice}")


def _without_offset(value: Any, info: ValidationInfo) -> str:
    """The local time of a moment in the zone of the schedule, or an example."""
    try:
        moment = datetime.fromisoformat(str(value).strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(zones.load(info.data["timezone"]))
        elif not _DATE.match(str(value)):
            raise ValueError(value)
        return moment.replace(microsecond=0, tzinfo=None).isoformat()
    except (ValueError, OverflowError, KeyError):
        return "2027-03-01T09:00"


def _date(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("is no date that the calendar has") from None
    raise ValueError("must be a date such as 2027-12-24")


def _dates(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a list of dates such as 2027-12-24")
    return value


def _every(value: Any) -> Any:
    if value is not None and not isinstance(value, (dict, Every)):
        raise ValueError(
            "must be an object with unit, count and anchor, such as "
            '{"unit": "days", "count": 2, "anchor": "2027-03-01T09:00"}'
        )
    return value


LocalTime = Annotated[
    datetime,
    BeforeValidator(_local_time),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
        }
    ),
]
LocalDate = Annotated[
    date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_timestamp), AfterValidator(_in_calendar)]
Whole = BeforeValidator(require_number)


def _cron(value: str, info: ValidationInfo) -> str:
    return dialect.check(value, info.data.get("day_match"))


class Every(Block):
    """A number of a unit, counted from an anchor. There is no slot before the anchor."""

    unit: Annotated[
        Literal["minutes", "hours", "days", "weeks"],
        Field(description="minutes and hours go by elapsed time, days and weeks by the clock"),
    ]
    count: Annotated[int, Field(ge=1, le=LONGEST_STEP // UNITS["minutes"]), Whole]
    anchor: Annotated[
        LocalTime, Field(description="its first time, local, such as 2027-03-01T09:00")
    ]

    @property
    def step(self) -> timedelta:
        return self.count * UNITS[self.unit]

    @property
    def is_elapsed(self) -> bool:
        """Whether it goes by elapsed time, and not by the wall clock."""
        return self.unit in ELAPSED

    @field_validator("count")
    @classmethod
    def _is_short(cls, value: int, info: ValidationInfo) -> int:
        unit = info.data.get("unit")
        if unit and value > (most := LONGEST_STEP // UNITS[unit]):
            raise ValueError(f"is at most {most} {unit}, about a year")
        return value


class ScheduleTriggerConfig(Block):
    """Exactly one of `cron`, `at` and `every` is set."""

    # before cron, which is checked with it
    day_match: Annotated[
        DayMatch | None,
        Field(
            description="if cron has a day of month and a day of week: a date matches any of the "
            "two, or all; absent: any, but all if one starts with *"
        ),
    ] = None
    timezone: Annotated[
        Text,
        Field(min_length=1, max_length=64, description="IANA name, such as Europe/Paris"),
        AfterValidator(zones.check),
    ]
    cron: Annotated[
        Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(_cron)] | None,
        Field(
            description="five fields: minute hour day month weekday; L, L-3, LW and 15W are days, "
            "5#2 and 5L weekdays of a month"
        ),
    ] = None
    at: Annotated[
        LocalTime | None,
        Field(description="one local time, once, such as 2027-03-01T09:00"),
    ] = None
    every: Annotated[
        Every | None,
        Field(description="so many minutes, hours, days or weeks from an anchor"),
        BeforeValidator(_every),
    ] = None
    excluded_dates: Annotated[
        tuple[LocalDate, ...],
        Field(
            max_length=MOST_EXCLUDED,
            description="local dates such as 2027-12-24 on which nothing fires",
        ),
        BeforeValidator(_dates),
    ] = ()
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

    @property
    def form(self) -> str:
        """Which of FORMS it has."""
        return next(form for form in FORMS if getattr(self, form) is not None)

    @property
    def excluded(self) -> frozenset[date]:
        return frozenset(self.excluded_dates)

    @property
    def first_time(self) -> datetime | None:
        """The local time before which it has no slot, apart from start_time."""
        return self.every.anchor if self.every else self.at

    @property
    def is_elapsed(self) -> bool:
        """Whether its slots are instants of elapsed time, whatever the clock shows."""
        if self.every is not None:
            return self.every.is_elapsed
        return self.cron is not None and expressions.read(self.cron).every_n_hours

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        given = [form for form in FORMS if getattr(self, form) is not None]
        if not given:
            raise PydanticCustomError(
                "no_form", "is required, unless at or every is given", {"field": "cron"}
            )
        if len(given) > 1:
            raise PydanticCustomError(
                "two_forms",
                "is given beside {other}; give exactly one of cron, at and every",
                {"field": given[1], "other": given[0]},
            )
        return self

    @model_validator(mode="after")
    def _has_what_its_form_takes(self) -> Self:
        for field, why in self._misplaced():
            raise PydanticCustomError("misplaced", "{why}", {"field": field, "why": why})
        return self

    def _misplaced(self) -> Iterator[tuple[str, str]]:
        """The options that have no meaning in its form, and why."""
        if self.at is not None:
            for field in ("start_time", "end_time", "excluded_dates"):
                if getattr(self, field):
                    yield field, _ONCE
            if (self.max_fires or 1) > 1:
                yield "max_fires", _ONCE
            if self.on_fold == "both":
                yield "on_fold", "is both, and at fires once; choose first or last"
        if self.cron is None and self.day_match is not None:
            yield "day_match", _NO_CRON
        if self.every is not None and self.every.is_elapsed:
            if self.on_gap == "skip":
                yield "on_gap", _NO_CLOCK
            if self.on_fold is not None:
                yield "on_fold", _NO_CLOCK

    @model_validator(mode="after")
    def _is_in_calendar(self) -> Self:
        try:
            if self.first_time is not None:
                self.first_time.replace(tzinfo=zones.load(self.timezone)).astimezone(UTC)
        except OverflowError:
            field = "at" if self.at else "every.anchor"
            raise PydanticCustomError(
                "calendar", "is not a time from 0001 to 9999 in UTC", {"field": field}
            ) from None
        return self

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start_time and self.end_time and self.start_time > self.end_time:
            raise PydanticCustomError(
                "time_order", "end_time is before start_time", {"field": "end_time"}
            )
        return self
