"""A schedule in English: one sentence, made of the sets or the times that it names."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from shared.schedule import cron, zones
from shared.schedule.config import Every, ScheduleTriggerConfig
from shared.schedule.cron import WEEK, Cron
from shared.schedule.slots import read_cron

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
# So many values or times are listed one by one, even if they are equally far apart.
_FEW = 3
_OF_EVERY_YEAR = " of every year"
# Days of each month, in a leap year.
_LONGEST = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def describe(config: ScheduleTriggerConfig) -> str:
    """`At 09:00 on Monday through Friday, Europe/Paris`: every minute of it and no other."""
    return f"{_form(config)}{_except(config.excluded)}, {config.timezone}"


def _form(config: ScheduleTriggerConfig) -> str:
    if config.at is not None:
        weekday = _DAYS[config.at.isoweekday() % WEEK]
        return f"Once, at {_time(config.at)} on {weekday}, {_date(config.at)}"
    if config.every is not None:
        return _interval(config.every)
    words = describe_cron(read_cron(config))
    return words.removesuffix(_OF_EVERY_YEAR) if config.max_fires == 1 else words


def _interval(every: Every) -> str:
    """`Every 90 minutes from 09:00 on 1 March 2027`, `Every 2 weeks on Monday at 09:00 from …`."""
    words = _every(every.count, every.unit.removesuffix("s"))
    words = words[0].upper() + words[1:]
    clock, day = _time(every.anchor), _date(every.anchor)
    if every.is_elapsed:
        return f"{words} from {clock} on {day}"
    on = f" on {_DAYS[every.anchor.isoweekday() % WEEK]}" if every.unit == "weeks" else ""
    return f"{words}{on} at {clock} from {day}"


def _except(excluded: frozenset[date]) -> str:
    """A few dates are listed, many are counted."""
    days = sorted(excluded)
    if not days:
        return ""
    if len(days) <= _FEW:
        return f", except on {_list([_date(day) for day in days])}"
    return f", except on {len(days)} dates between {_date(days[0])} and {_date(days[-1])}"


def _date(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month]} {day.year}"


def _time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def describe_moment(moment: datetime, zone: str) -> str:
    """A moment to the second, such as `23 November 2026 at 09:02:05, Europe/Paris`.

    In UTC at the ends of the calendar.
    """
    try:
        local = moment.astimezone(zones.load(zone))
    except OverflowError:
        local, zone = moment.astimezone(UTC), "UTC"
    return f"{_date(local.date())} at {local:%H:%M:%S}, {zone}"


def describe_cron(found: Cron) -> str:
    """What an expression names, without a time zone: `In July, at 09:00 on Monday`."""
    dates = _yearly(found)
    if dates:
        words = f"{_times(found)} on {_list(dates)}{_OF_EVERY_YEAR}"
    else:
        words = _months(found) + _times(found) + _dates(found)
    return words[0].upper() + words[1:]


def _yearly(found: Cron) -> list[str]:
    """The few dates of a year that an expression names; empty when it names others too."""
    days, months = cron.values(found.days), cron.values(found.months)
    others = found.nearest_workdays or found.last_days or found.last_workday
    if found.any_day or not found.any_weekday or found.either_day or others:
        return []
    wrong = any(day > _LONGEST[month] for month in months for day in days)
    if wrong or len(months) * len(days) > _FEW:
        return []
    return [f"{day} {_MONTHS[month]}" for month in months for day in days]


def _months(found: Cron) -> str:
    months = cron.values(found.months)
    if len(months) == 12:
        return ""
    return f"in {_list([_span([_MONTHS[m] for m in run]) for run in _runs(months)])}, "


def _times(found: Cron) -> str:
    minutes, hours = cron.values(found.minutes), cron.values(found.hours)
    if len(minutes) == 1:
        return _times_at(minutes[0], hours)
    step = _cycle(minutes)
    if len(hours) == 24:
        if step and minutes[0] == 0:
            return _every(step, "minute")
        return f"{_minutes(minutes)} of every hour"
    if len(hours) == 1:
        step = _step(minutes)
    if step and _is_run(hours) and len(minutes) * len(hours) > _FEW:
        first, last = _clock(hours[0], minutes[0]), _clock(hours[-1], minutes[-1])
        return f"{_every(step, 'minute')} from {first} through {last}"
    if len(minutes) * len(hours) <= 2 * _FEW:
        return "at " + _list([_clock(hour, minute) for hour in hours for minute in minutes])
    return f"{_minutes(minutes)} in {_hours(hours)}"


def _times_at(minute: int, hours: tuple[int, ...]) -> str:
    """The times of one minute of some hours."""
    if len(hours) == 24:
        return f"every hour at {minute} past" if minute else "every hour"
    step = _step(hours)
    if len(hours) <= (_FEW if step else 2 * _FEW):
        return "at " + _list([_clock(hour, minute) for hour in hours])
    if step is None:
        return f"at minute {minute} in {_hours(hours)}"
    if hours[0] == 0 and hours[-1] + step == 24:
        return _every(step, "hour") + (f" at {minute} past" if minute else "")
    first, last = _clock(hours[0], minute), _clock(hours[-1], minute)
    return f"{_every(step, 'hour')} from {first} through {last}"


def _hours(hours: tuple[int, ...]) -> str:
    step = _step(hours)
    if step and step > 1 and len(hours) > _FEW:
        return f"every {_nth(step)} hour from {hours[0]:02} through {hours[-1]:02}"
    spans = [_span([f"{hour:02}" for hour in run]) for run in _runs(hours)]
    return f"the hour{'s' * (len(hours) > 1)} {_list(spans)}"


def _minutes(minutes: tuple[int, ...]) -> str:
    """Minutes of an hour, which is named after them."""
    if len(minutes) == 60:
        return "every minute"
    step = _step(minutes)
    if step and len(minutes) > _FEW:
        return f"{_every(step, 'minute')} from minute {minutes[0]} through {minutes[-1]}"
    return "at minutes " + _list([_span([str(m) for m in run]) for run in _runs(minutes)])


def _dates(found: Cron) -> str:
    if found.either_day and (found.any_day or found.any_weekday):
        return ""
    days = "" if found.any_day else _days_of_month(found)
    weekdays = "" if found.any_weekday else _weekdays(found)
    if days and weekdays:
        return f" {days} or {weekdays}" if found.either_day else f" {days}, but only {weekdays}"
    return f" {days or weekdays}" if days or weekdays else ""


def _days_of_month(found: Cron) -> str:
    days = cron.values(found.days)
    parts = []
    step = _step(days)
    if step and step > 1 and len(days) > _FEW + 1:
        parts.append(f"on every {_nth(step)} day of the month from {days[0]} through {days[-1]}")
    elif days:
        spans = [_span([str(day) for day in run]) for run in _runs(days)]
        parts.append(f"on day{'s' * (len(days) > 1)} {_list(spans)} of the month")
    parts += [
        f"on the working day nearest to day {day} of the month"
        for day in cron.values(found.nearest_workdays)
    ]
    parts += [_before_last(days) for days in reversed(cron.values(found.last_days))]
    if found.last_workday:
        parts.append("on the last working day of the month")
    return _list(parts)


def _before_last(days: int) -> str:
    last = "the last day of the month"
    nth = f"{_nth(days)} " if days > 1 else ""
    return f"on the {nth}day before {last}" if days else f"on {last}"


def _weekdays(found: Cron) -> str:
    parts = []
    if found.weekdays:
        runs = _weekday_runs(cron.values(found.weekdays))
        parts.append("on " + _list([_span([_DAYS[day] for day in run]) for run in runs]))
    for weekday in (*range(1, WEEK), 0):
        nth = [_ORDINALS[n] for n in range(5) if found.nth_weekdays >> (WEEK * n + weekday) & 1]
        if found.last_weekdays >> weekday & 1:
            nth.append("last")
        if nth and not found.weekdays >> weekday & 1:
            parts.append(f"on the {_list(nth)} {_DAYS[weekday]} of the month")
    return _list(parts)


def _weekday_runs(days: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Days that follow one another, also from Saturday to Sunday; the week begins on Monday."""
    for first in days:
        around = tuple((first + n) % WEEK for n in range(len(days)))
        if set(around) == set(days):
            return [around] if len(days) > 2 else [(day,) for day in around]
    order = [(day - 1) % WEEK for day in days]
    return [tuple((day + 1) % WEEK for day in run) for run in _runs(sorted(order))]


def _cycle(minutes: tuple[int, ...]) -> int | None:
    """The distance of minutes that go on with it into the next hour."""
    step = _step(minutes)
    return step if step and minutes[0] + 60 == minutes[-1] + step else None


def _step(values: Sequence[int]) -> int | None:
    """The distance of values that are equally far apart."""
    if len(values) < 2:
        return None
    step = values[1] - values[0]
    return step if list(values) == list(range(values[0], values[-1] + 1, step)) else None


def _is_run(values: Sequence[int]) -> bool:
    return values[-1] - values[0] == len(values) - 1


def _runs(values: Sequence[int]) -> list[tuple[int, ...]]:
    """The values, where three or more that follow one another are together."""
    runs: list[tuple[int, ...]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1] += (value,)
        else:
            runs.append((value,))
    return [part for run in runs for part in ([run] if len(run) > 2 else [(v,) for v in run])]


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} through {names[-1]}"


def _every(step: int, unit: str) -> str:
    return f"every {step} {unit}s" if step > 1 else f"every {unit}"


def _nth(step: int) -> str:
    ending = "th" if 11 <= step <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(step % 10, "th")
    return f"{step}{ending}"


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
