"""Quiet hours: from when to when a person wants no notice.

A local time that a clock change skips is the moment of the change, and one that comes twice is
the first. So times keep their order, and hours over a change are as long as the clock makes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.schedule import zones

WEEK: Final = frozenset(range(7))
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
# No zone moves its clock by more than a day.
_LARGEST_CHANGE_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """`days` are those on which they begin, Monday 0. They end on the next day unless `end` is
    after `start`.
    """

    time_zone: str
    start: time
    end: time
    days: frozenset[int] = WEEK

    @property
    def is_endless(self) -> bool:
        return self.start == self.end and self.days == WEEK


def find_end(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """Returns when the quiet hours that hold `now` end; None when there are none.

    Hours that follow upon each other without a pause are one. Those that are endless, or that
    reach the end of the calendar, hold nothing.
    """
    if quiet is None or quiet.is_endless:
        return None
    found: datetime | None = None
    # Each round leaves one period behind; the pause comes within a week.
    for _ in range(len(WEEK) + 2):
        until = _end_of_period(quiet, found or now)
        if until is None:
            break
        found = until
    return found


def _end_of_period(quiet: QuietHours, moment: datetime) -> datetime | None:
    """The latest end of the periods that hold a moment."""
    zone = zones.load(quiet.time_zone)
    try:
        today = moment.astimezone(zone).date()
        ends = [
            end
            for day in _days_around(today)
            if day.weekday() in quiet.days
            for start, end in [_period(quiet, zone, day)]
            if start <= moment < end
        ]
    except OverflowError:
        return None
    return max(ends, default=None)


def _days_around(today: date) -> Iterable[date]:
    # A clock change may skip a day, so one more than the day before.
    return (today - 2 * _DAY, today - _DAY, today, today + _DAY)


def _period(quiet: QuietHours, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    last = day if quiet.end > quiet.start else day + _DAY
    return find_instant(day, quiet.start, zone), find_instant(last, quiet.end, zone)


def find_instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Returns the first moment, in UTC, at which the clock of a zone shows a time or a later one.

    Raises OverflowError beyond the calendar.
    """
    local = datetime.combine(day, clock)
    for _ in range(_LARGEST_CHANGE_MINUTES + 1):
        found = local.replace(tzinfo=zone).astimezone(UTC)
        if found.astimezone(zone).replace(tzinfo=None) == local:
            return found
        local += _MINUTE
    raise OverflowError(f"{zone.key} skips more than a day")
