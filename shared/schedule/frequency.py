"""How often a schedule runs: exactly where it is seldom, by its sets where it is often."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Final

from shared.clock import shift
from shared.schedule import cron, zones
from shared.schedule.config import Every, ScheduleTriggerConfig
from shared.schedule.interval import count_before
from shared.schedule.slots import read_cron, slots_between

_COUNTED: Final = 200


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
        runs = _by_sets(schedule, start, end)
    return min(runs, schedule.max_fires or runs)


def _by_sets(schedule: ScheduleTriggerConfig, start: datetime, end: datetime) -> int:
    """To go through every slot of a month would hold up everybody else for a second."""
    if schedule.start_time is not None:
        # what fires at that very moment counts
        start = max(start, shift(schedule.start_time.astimezone(UTC), -timedelta(microseconds=1)))
    zone = zones.load(schedule.timezone)
    first, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    if schedule.every is not None:
        return _by_division(schedule, schedule.every, start, end)
    found, excluded = read_cron(schedule), schedule.excluded
    times = [time(h, m) for h in cron.values(found.hours) for m in cron.values(found.minutes)]
    days = takewhile(lambda day: day <= last.date(), cron.dates_from(found, first.date()))
    return sum(
        sum(first < datetime.combine(day, at) <= last for at in times)
        if day in (first.date(), last.date())
        else len(times)
        for day in days
        if day not in excluded
    )


def _by_division(
    schedule: ScheduleTriggerConfig, every: Every, start: datetime, end: datetime
) -> int:
    """Of a step that is so short that it goes by elapsed time."""
    zone = zones.load(schedule.timezone)
    anchor = every.anchor.replace(tzinfo=zone).astimezone(UTC)
    tick = timedelta(microseconds=1)

    def count(first: datetime, last: datetime) -> int:
        """After `first`, up to and with `last`."""
        before = [count_before(anchor, every.step, shift(one, tick)) for one in (first, last)]
        return max(0, before[1] - before[0])

    runs = count(start, end)
    for day in schedule.excluded:
        try:
            morning = datetime.combine(day, time(), zone).astimezone(UTC)
            morrow = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        except OverflowError:
            continue
        runs -= count(max(start, morning - tick), min(end, morrow - tick))
    return runs
