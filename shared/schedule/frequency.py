"""How often a schedule runs: exactly where it is seldom, by its fields where it is often."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Final

from shared.clock import shift
from shared.schedule import cron, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import slots_between

_COUNTED: Final = 200
_DAY: Final = timedelta(days=1)
_ANY_DAY: Final = datetime.fromisoformat("2024-01-01")


def count_runs(schedule: ScheduleTriggerConfig, start: datetime, end: datetime) -> int:
    """After `start`, up to and with `end`.

    What clock changes skip or repeat is left out of account where it runs often.
    """
    if schedule.end_time is not None:
        end = min(end, schedule.end_time)
    near = list(islice(slots_between(schedule, start, end), _COUNTED))
    if len(near) < _COUNTED:
        runs = sum(not slot.skipped for slot in near)
    else:
        runs = _by_fields(schedule, start, end)
    return min(runs, schedule.max_fires or runs)


def _by_fields(schedule: ScheduleTriggerConfig, start: datetime, end: datetime) -> int:
    """To go through every slot of a month would hold up everybody else for a second."""
    if schedule.start_time is not None:
        # what fires at that very moment counts
        start = max(start, shift(schedule.start_time.astimezone(UTC), -timedelta(microseconds=1)))
    zone = zones.load(schedule.timezone)
    first, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    times = _times_of_day(schedule.cron)
    return sum(
        sum(first < datetime.combine(day, at) <= last for at in times)
        if day in (first.date(), last.date())
        else len(times)
        for day in _days(schedule.cron, first, last)
    )


def _days(expression: str, first: datetime, last: datetime) -> Iterator[date]:
    _, _, *days = expression.split()
    for midnight in cron.minutes_from(" ".join(["0", "0", *days]), _midnight(first)):
        if midnight > last:
            return
        yield midnight.date()


def _times_of_day(expression: str) -> list[time]:
    minute, hour, *_ = expression.split()
    hours = _until(f"0 {hour} * * *", _ANY_DAY, _DAY)
    minutes = _until(f"{minute} 0 * * *", _ANY_DAY, timedelta(hours=1))
    return [time(h.hour, m.minute) for h in hours for m in minutes]


def _until(expression: str, start: datetime, span: timedelta) -> list[datetime]:
    found = []
    for minute in cron.minutes_from(expression, start):
        if minute >= start + span:
            break
        found.append(minute)
    return found


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time())
