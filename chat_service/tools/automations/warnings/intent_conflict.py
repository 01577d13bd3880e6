"""Differences between the words of an intent and its draft, found without a model."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Any, Final

from pydantic import ValidationError

from chat_service.llm.text import one_line
from chat_service.tools.automations.preview import enabled_schedules
from chat_service.tools.automations.warnings import intent_words
from chat_service.tools.automations.warnings.intent_words import WEEKEND, IntentWords
from chat_service.tools.automations.warnings.words import join_names
from shared.schedule import cron, zones
from shared.schedule.coincidence import list_fires
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.cron import EVERY_DAY, EVERY_MONTH, EVERY_WEEKDAY, WEEK, Cron
from shared.schedule.slots import read_cron

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WORKDAYS: Final = 0b0111110
_DAY_MINUTES: Final = 1_440
_HALF_YEAR: Final = timedelta(days=182)
# All schedules of a draft share so many fires that are gone through.
_MOST_FIRES: Final = 60
_MOST_DATES: Final = 8
_MOST_TIMES: Final = 4
_SHOWN: Final = 120
_MOST: Final = 8
# Characters of a draft in which numbers and addresses are looked for.
_MOST_READ: Final = 4_000

Json = Mapping[str, Any]


def find_conflicts(
    text: str, payload: Json, *, zone: str, now: datetime, is_new: bool
) -> list[str]:
    """Returns at most 8 sentences: of weekdays, times, zone, interval, numbers and addresses.

    `zone` is the person's own. What `text` says of a change (not `is_new`) may be of one trigger
    of several, so that its days only have to be among those of all.
    """
    found = _conflicts(text, payload, zone=zone, now=now, is_new=is_new)
    return list(islice(found, _MOST))


def _conflicts(
    text: str, payload: Json, *, zone: str, now: datetime, is_new: bool
) -> Iterator[str]:
    said = intent_words.read_intent(text)
    schedules = list(_read(enabled_schedules(payload)))
    if schedules:
        yield from _of_zone_and_times(said, schedules, zone, now)
        if _is_clock_of(said.zone or zone, schedules, now):
            yield from _of_days(said, schedules, now, is_new=is_new)
        yield from _of_interval(said, schedules, now)
    yield from _of_content(text, payload)


def _read(triggers: Sequence[Json]) -> Iterator[ScheduleTriggerConfig]:
    for trigger in triggers:
        try:
            yield ScheduleTriggerConfig.model_validate(trigger["config"])
        except ValidationError:
            continue


def _of_days(
    said: IntentWords, schedules: Sequence[ScheduleTriggerConfig], now: datetime, *, is_new: bool
) -> Iterator[str]:
    found, fires = [read for each in schedules if (read := _sets_of(each))], 0
    meant = said.weekdays
    for each in schedules if meant is not None else ():
        fires |= _weekdays(each, now)
    if meant is not None and fires and fires != meant:
        is_part = meant == WEEKEND and fires & ~WEEKEND == 0
        if not is_part and (is_new or not fires & meant):
            yield f"The words say {_named(meant)}; this fires on {_named(fires)}."
    of_month = {day for each in found for day in cron.values(each.days)}
    is_open = len(found) < len(schedules) or any(map(_is_open, found))
    if said.month_days and not is_open and not said.month_days & of_month:
        days, words = (", ".join(map(str, sorted(each))) for each in (of_month, said.month_days))
        yield f"The words say day {words} of the month; this fires on day {days}."


def _sets_of(config: ScheduleTriggerConfig) -> Cron | None:
    """The times and dates of a schedule as sets; None if it goes by elapsed time.

    Of days that are equally far apart, the sets name all that may come.
    """
    if config.cron is not None:
        return read_cron(config)
    first = config.first_time
    if first is None or (config.every and config.every.is_elapsed):
        return None
    is_weekly = config.every is not None and config.every.count % 7 == 0
    is_weekly = is_weekly or (config.every is not None and config.every.unit == "weeks")
    return Cron(
        minutes=1 << first.minute,
        hours=1 << first.hour,
        days=1 << first.day if config.at else EVERY_DAY,
        months=1 << first.month if config.at else EVERY_MONTH,
        weekdays=1 << first.isoweekday() % WEEK if is_weekly else EVERY_WEEKDAY,
    )


def _is_open(found: Cron) -> bool:
    """Whether its days of the month are not numbers of it, or not only."""
    return found.any_day or bool(
        found.last_days or found.last_workday or found.nearest_workdays or not found.days
    )


def _weekdays(config: ScheduleTriggerConfig, now: datetime) -> int:
    """Of a schedule of dates, the weekdays of the next few."""
    found = _sets_of(config)
    if found is None:
        return EVERY_WEEKDAY
    if not found.any_day:
        zone = zones.load(config.timezone)
        dates = list_fires(config, now, _MOST_DATES)
        return sum(1 << day for day in {each.astimezone(zone).isoweekday() % 7 for each in dates})
    if found.any_weekday or found.either_day:
        return EVERY_WEEKDAY
    bits = found.weekdays | found.last_weekdays
    for n in range(5):
        bits |= found.nth_weekdays >> 7 * n & EVERY_WEEKDAY
    return bits


def _named(days: int) -> str:
    if days == EVERY_WEEKDAY:
        return "every day"
    if days == _WORKDAYS:
        return "Monday through Friday"
    names = [_DAYS[day] for day in (1, 2, 3, 4, 5, 6, 0) if days >> day & 1]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _is_clock_of(zone: str, schedules: Sequence[ScheduleTriggerConfig], now: datetime) -> bool:
    """Whether a zone has the days of every schedule's own."""
    return all(_is_same(zone, each.timezone, now) for each in schedules)


def _is_same(zone: str, other: str, now: datetime) -> bool:
    try:
        clocks = zones.load(zone), zones.load(other)
    except ValueError:
        return False
    return all(
        moment.astimezone(clocks[0]).utcoffset() == moment.astimezone(clocks[1]).utcoffset()
        for moment in (now, now + _HALF_YEAR)
    )


def _of_zone_and_times(
    said: IntentWords, schedules: Sequence[ScheduleTriggerConfig], zone: str, now: datetime
) -> Iterator[str]:
    own = {each.timezone for each in schedules}
    is_clock = said.zone is None or _is_clock_of(said.zone, schedules, now)
    if said.zone and not is_clock and not said.times:
        yield f"The words say {said.zone}; this is in {join_names(sorted(own))}."
    if not said.times:
        return
    meant = frozenset().union(*said.times)
    sets = [_sets_of(each) for each in schedules]
    if any(found is None or (is_clock and _has_time(found, meant)) for found in sets):
        return
    if not is_clock or (said.zone is None and not _is_clock_of(zone, schedules, now)):
        clock = said.zone or zone
        most = _MOST_FIRES // len(schedules)
        fires = [list_fires(each, now, most) for each in schedules]
        if any(found and len(cron.values(found.hours)) > _MOST_TIMES for found in sets):
            return
        if any(_minute(moment, clock) in meant for each in fires for moment in each):
            return
    words = join_names([_clock(min(each)) for each in said.times][:_MOST_TIMES])
    place = f" in {said.zone}" if said.zone else ""
    shown = join_names(list(dict.fromkeys(map(_times, schedules))))
    yield f"The words say {words}{place}; this fires at {shown}."


def _has_time(found: Cron, minutes: frozenset[int]) -> bool:
    return any(found.hours >> m // 60 & 1 and found.minutes >> m % 60 & 1 for m in minutes)


def _minute(moment: datetime, zone: str) -> int:
    try:
        local = moment.astimezone(zones.load(zone))
    except ValueError:
        return -1
    return local.hour * 60 + local.minute


def _times(config: ScheduleTriggerConfig) -> str:
    found = _sets_of(config)
    if found is None:
        return config.timezone
    hours, minutes = cron.values(found.hours), cron.values(found.minutes)
    times = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
    more = [f"{len(times) - _MOST_TIMES} other times"] if len(times) > _MOST_TIMES else []
    return f"{join_names([*times[:_MOST_TIMES], *more])} {config.timezone}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _of_interval(
    said: IntentWords, schedules: Sequence[ScheduleTriggerConfig], now: datetime
) -> Iterator[str]:
    if said.interval is None or len(schedules) > 1:
        return
    fires = list_fires(schedules[0], now, _MOST_FIRES)
    least = min((after - before for before, after in pairwise(fires)), default=None)
    if least is not None and said.interval >= _DAY_MINUTES:
        # a change of the clock makes a day longer or shorter
        least = timedelta(days=round(least / timedelta(days=1))) or least
    if least is not None and least != timedelta(minutes=said.interval):
        yield (
            f"The words say every {_span(said.interval)}; its slots come "
            f"{_span(int(least.total_seconds()) // 60)} apart."
        )


def _span(minutes: int) -> str:
    for size, unit in ((1_440, "day"), (60, "hour")):
        if minutes % size == 0:
            return f"{minutes // size} {unit}{'s' * (minutes != size)}"
    return f"{minutes} minute{'s' * (minutes != 1)}"


def _of_content(text: str, payload: Json) -> Iterator[str]:
    """Numbers of one noun, and addresses: where the draft has another and lacks the one."""
    draft = "\n".join(_texts(payload.get("definition", {})))
    if len(text) > intent_words.MOST_READ or len(draft) > _MOST_READ:
        return
    words, drafted = intent_words.counts(text), intent_words.counts(draft)
    spoken, written = intent_words.numbers(text), intent_words.numbers(draft)
    for noun in words.keys() & drafted.keys():
        if len(words[noun]) == len(drafted[noun]) == 1:
            (meant,), (made,) = words[noun], drafted[noun]
            if meant not in written and made not in spoken:
                yield f"The words say {meant} {noun}; the draft says {made} {noun}."
    everything, whole = text.lower(), draft.lower()
    pairs = zip(intent_words.addresses(text), intent_words.addresses(draft), strict=True)
    for meant_ones, made_ones in pairs:
        lost = sorted(one for one in meant_ones if one not in whole)
        new = sorted(one for one in made_ones if one not in everything)
        if lost and new:
            yield f"The words have {_short(lost[0])}; the draft has {_short(new[0])} instead."


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key, each in value.items():
                if key not in ("cron", "timezone", "trigger_id", "step_id", "metadata"):
                    yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


def _short(text: str) -> str:
    return one_line(text, _SHOWN)
