"""Which moments a schedule names: for preview, storage and firing alike.

`cron` and `interval` say which local times a schedule names. What a clock change does to them is
decided here. A *slot* is one local time that the schedule names.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from heapq import heappop, heappush
from itertools import count as counter
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from shared.clock import shift
from shared.schedule import cron, interval, zones
from shared.schedule.config import Every, ScheduleTriggerConfig
from shared.schedule.cron import Cron

__all__ = [
    "PlannedSlot",
    "find_last_slot",
    "find_slots_at",
    "fires_after",
    "jitter",
    "next_slots",
    "read_cron",
    "slots_after",
    "slots_between",
]

MINUTE = timedelta(minutes=1)
# longer than any clock change that the IANA database knows
_NEAR = timedelta(hours=25)
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
# No two times of the calendar are so far apart.
_BEYOND = timedelta(days=10_000 * 366)
# No zone changes its clock twice in such a span.
_SPAN = timedelta(hours=3)
# The rarest schedule, five of a weekday in a February, comes again within 40 years.
_RAREST = timedelta(days=41 * 366)
# The spans that are searched for the last slot: often it is near.
_LOOKBACKS = (
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=8),
    timedelta(days=32),
    timedelta(days=366),
    timedelta(days=8 * 366),
    _RAREST,
)
# So many slots are gone through one by one.
_FEW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSlot:
    """One local time that a schedule names, and what becomes of it.

    `slot_time` identifies the slot: its local time read with fold 0, which in a gap is the
    offset before it; one microsecond is added where a real slot owns that very instant, so no
    two slots of a schedule share it. `fire_time` is when it runs, before jitter, and is the
    only thing slots are ordered by. `skipped` slots don't run; `reason` says why and
    `coincides_with` is the slot_time of the slot that runs instead, if one does.
    """

    slot_time: datetime
    fire_time: datetime
    local_time: str  # nominal, `2027-03-28T02:30:00`
    utc_offset: str  # at fire_time, `+02:00`
    fold: int = 0
    dst_note: str = ""
    skipped: bool = False
    reason: str = ""
    coincides_with: datetime | None = None


def next_slots(config: ScheduleTriggerConfig, after: datetime, count: int) -> list[PlannedSlot]:
    """The first `count` slots whose fire_time is after `after`, by fire_time.

    Slots that share a fire_time are never separated, so a few more may come: going on from
    the last fire_time misses none. max_fires and jitter are left to the caller.
    """
    if count <= 0:
        return []
    found: list[PlannedSlot] = []
    for slot in slots_after(config, after):
        if len(found) >= count and slot.fire_time != found[-1].fire_time:
            break
        found.append(slot)
    return found


def slots_after(config: ScheduleTriggerConfig, after: datetime) -> Iterator[PlannedSlot]:
    """Every slot whose fire_time is after `after`, by fire_time, until the schedule ends."""
    start = _find_start(config, after)
    return _until_end(config, start, _planned(config, start))


def fires_after(config: ScheduleTriggerConfig, after: datetime) -> Iterator[PlannedSlot]:
    """The slots of slots_after that fire: those that a clock change does not skip.

    It also ends where clock changes skip all times of 41 years, which is longer than the rarest
    schedule takes to come again: such a schedule counts as one that never fires again. Of a
    change that skips many times it looks at one, so what it looks at between two fires is bounded.
    """
    start = _find_start(config, after)
    if config.on_gap == "skip":
        rule = _Rule.of(config)
        rule = replace(rule, times_from=partial(_shown_times, rule.zone, rule.times_from))
        planned = _in_order(rule, start)
    else:
        planned = _planned(config, start)
    return (slot for slot in _until_end(config, start, planned) if not slot.skipped)


def slots_between(
    config: ScheduleTriggerConfig, after: datetime, until: datetime
) -> Iterator[PlannedSlot]:
    """Every slot whose fire_time is after `after` and not after `until`, by fire_time."""
    return takewhile(lambda slot: slot.fire_time <= until, slots_after(config, after))


def find_slots_at(config: ScheduleTriggerConfig, second: datetime) -> list[PlannedSlot]:
    """The slots whose slot_time or fire_time is in a second."""
    end = shift(second, timedelta(seconds=1))
    # Only a clock change parts the two, by no more than it moves the clock.
    reach = _moved_nearby(zones.load(config.timezone), second)
    return [
        slot
        for slot in slots_between(config, shift(second, -reach - _TICK), shift(end, reach))
        if second <= slot.slot_time < end or second <= slot.fire_time < end
    ]


def names_fire(config: ScheduleTriggerConfig, slot_time: datetime) -> bool:
    """Says whether a schedule has a slot of that very slot_time that no clock change skips."""
    # The slot_time of a slot may have a microsecond.
    found = find_slots_at(config, slot_time.replace(microsecond=0))
    return any(slot.slot_time == slot_time and not slot.skipped for slot in found)


def find_last_slot(config: ScheduleTriggerConfig, until: datetime) -> PlannedSlot | None:
    """The last slot whose fire_time is not after `until`, if it is in the 41 years before."""
    for back in _LOOKBACKS:
        after = shift(until, -back)
        if next(slots_between(config, after, until), None) is not None:
            return _last_between(config, after, until)
    return None


def jitter(seed: str, slot_time: datetime, max_seconds: int) -> timedelta:
    """How late a slot fires: 0 to `max_seconds`, always the same for a seed and slot."""
    if max_seconds <= 0:
        return timedelta(0)
    key = f"{seed}|{slot_time.astimezone(UTC).isoformat()}".encode()
    fraction = int.from_bytes(hashlib.sha256(key).digest()[:8]) / 2**64
    return timedelta(milliseconds=int(fraction * max_seconds * 1000))


def _last_between(config: ScheduleTriggerConfig, low: datetime, high: datetime) -> PlannedSlot:
    """The last slot of a span that has one, found by halves while it has many."""
    while True:
        near = list(islice(slots_between(config, low, high), _FEW))
        if len(near) < _FEW:
            return near[-1]
        low = near[-1].fire_time
        if next(slots_between(config, low, high), None) is None:
            return near[-1]
        middle = low + (high - low) / 2
        while next(slots_between(config, middle, high), None) is None:
            high = middle
            middle = low + (high - low) / 2
        low = middle


def _moved_nearby(zone: ZoneInfo, moment: datetime) -> timedelta:
    """By how much the clock of a zone is moved near a moment, at the most."""
    offsets = _offsets_nearby(zone, moment)
    return max(offsets) - min(offsets)


def _find_start(config: ScheduleTriggerConfig, after: datetime) -> datetime:
    """The moment after which the slots of a schedule fire that fire after `after`."""
    start = after.astimezone(UTC)
    if config.start_time:
        return max(start, shift(config.start_time.astimezone(UTC), -_TICK))
    return start


def _until_end(
    config: ScheduleTriggerConfig, start: datetime, planned: Iterator[PlannedSlot]
) -> Iterator[PlannedSlot]:
    for slot in planned:
        if config.end_time and slot.fire_time > config.end_time:
            return
        if slot.fire_time > start:
            yield slot


def _planned(config: ScheduleTriggerConfig, start: datetime) -> Iterator[PlannedSlot]:
    """Slots by fire_time, from those near `start`; a few before it may come too."""
    if config.every is not None and config.every.is_elapsed:
        return _in_elapsed_time(config.every, config, start)
    return _in_order(_Rule.of(config), start)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """The local times of a schedule on the wall clock, and what clock changes do to them.

    `times_from` gives those at or after a naive local time, but for those of excluded dates;
    `has_time` says whether a local time is one, whatever its date.
    """

    times_from: Callable[[datetime], Iterator[datetime]]
    has_time: Callable[[datetime], bool]
    every_n_hours: bool
    zone: ZoneInfo
    on_gap: str
    on_fold: str
    excluded: Collection[date]

    @classmethod
    def of(cls, config: ScheduleTriggerConfig) -> "_Rule":
        excluded = config.excluded if config.excluded_dates else ()
        every_n_hours = False
        if config.cron is not None:
            found = read_cron(config)
            every_n_hours = found.every_n_hours
            times_from = partial(cron.minutes_from, found, excluded=excluded)
            has_time = partial(cron.matches, found)
        else:
            anchor, step = _days_of(config)
            times_from = partial(interval.times_from, anchor, step, excluded=excluded)
            has_time = partial(interval.has_time, anchor, step)
        return cls(
            times_from=times_from,
            has_time=has_time,
            every_n_hours=every_n_hours,
            zone=zones.load(config.timezone),
            on_gap=config.on_gap,
            on_fold=config.on_fold or ("both" if every_n_hours else "first"),
            excluded=excluded,
        )


def read_cron(config: ScheduleTriggerConfig) -> Cron:
    """What the cron expression of a schedule names. Raises ValueError if it has none."""
    if config.cron is None:
        raise ValueError("the schedule has no cron expression")
    if config.day_match is None:
        return cron.read(config.cron)
    return cron.read(config.cron, config.day_match)


def _days_of(config: ScheduleTriggerConfig) -> tuple[datetime, timedelta]:
    """The anchor and the step of a schedule of days; of one moment, a step beyond the calendar."""
    if config.every is not None:
        return config.every.anchor, config.every.step
    assert config.at is not None
    return config.at, _BEYOND


def _in_elapsed_time(
    every: Every, config: ScheduleTriggerConfig, start: datetime
) -> Iterator[PlannedSlot]:
    """Slots after `start` that come by elapsed time; excluded dates are passed over at once."""
    zone, step = zones.load(config.timezone), every.step
    excluded = config.excluded if config.excluded_dates else ()
    first = every.anchor.replace(tzinfo=zone).astimezone(UTC)
    number = interval.count_before(first, step, start)
    while True:
        try:
            moment = first + number * step
            local = moment.astimezone(zone)
            number += 1
            if local.date() in excluded:
                morrow = _first_shown(zone, datetime.combine(local.date() + _DAY, time()))
                # A change of the clock may lead back to the day before, which is not excluded.
                if _offset(morrow.astimezone(zone)) == _offset(local):
                    number = max(number, interval.count_before(first, step, morrow))
                continue
        except OverflowError:
            return
        yield _elapsed_slot(local, moment)


def _elapsed_slot(local: datetime, moment: datetime) -> PlannedSlot:
    offset, other = _offset(local), _offset(local.replace(fold=1 - local.fold))
    note = ""
    if offset != other:
        which = "second" if local.fold else "first"
        note = f"{_twice(local)} This is the {which} time."
    return PlannedSlot(
        slot_time=moment,
        fire_time=moment,
        local_time=local.replace(tzinfo=None).isoformat(),
        utc_offset=_offset_text(offset),
        fold=local.fold,
        dst_note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steady:
    """A span of local time in which the clock of a zone is not changed."""

    first: datetime
    last: datetime
    instant: datetime  # of `first`
    utc_offset: str

    @classmethod
    def of(cls, zone: ZoneInfo, first: datetime) -> "_Steady | None":
        """From a local time on; None near a change of the clock and at the calendar's ends."""
        try:
            last = first + _SPAN
            offset = _offset(first.replace(tzinfo=zone))
            for local in (first.replace(tzinfo=zone, fold=1), last.replace(tzinfo=zone)):
                if _offset(local) != offset:
                    return None
            if _offset(last.replace(tzinfo=zone, fold=1)) != offset:
                return None
            instant = first.replace(tzinfo=UTC) - offset
            instant + _SPAN
        except OverflowError:
            return None
        return cls(first=first, last=last, instant=instant, utc_offset=_offset_text(offset))

    def slot(self, minute: datetime) -> PlannedSlot:
        moment = self.instant + (minute - self.first)
        return PlannedSlot(
            slot_time=moment,
            fire_time=moment,
            local_time=minute.isoformat(),
            utc_offset=self.utc_offset,
        )


def _in_order(rule: _Rule, start: datetime) -> Iterator[PlannedSlot]:
    """Slots by fire_time, from those near `start`; a few before it may come too."""
    waiting: list[tuple[datetime, int, PlannedSlot]] = []
    arrival = counter()
    steady: _Steady | None = None
    for minute in rule.times_from(_first_minute(rule.zone, start)):
        if steady is None or minute > steady.last:
            steady = _Steady.of(rule.zone, minute)
        if steady is not None and not waiting:
            yield steady.slot(minute)
            continue
        try:
            shown, named = _first_shown(rule.zone, minute), _slots_of(rule, minute)
        except OverflowError:  # at the ends of the calendar: it is of no year that there is in UTC
            continue
        # no later minute can fire before the clock first shows this one
        yield from _settled(waiting, shown)
        for slot in named:
            if rule.excluded and slot.fire_time.astimezone(rule.zone).date() in rule.excluded:
                continue  # a gap moves it to an excluded date
            heappush(waiting, (slot.fire_time, next(arrival), slot))
    yield from _settled(waiting, None)


def _first_minute(zone: ZoneInfo, start: datetime) -> datetime:
    """The earliest local minute whose slot may fire after `start`."""
    try:
        local = start.replace(tzinfo=None) + min(_offsets_nearby(zone, start))
    except OverflowError:
        return start.replace(tzinfo=None)
    return local.replace(second=0, microsecond=0)


def _offsets_nearby(zone: ZoneInfo, moment: datetime) -> list[timedelta]:
    """The offsets of a zone around a moment; one at least, also at the ends of the calendar."""
    offsets = []
    for near in (-_NEAR, timedelta(0), _NEAR):
        try:
            offsets.append(_offset((moment + near).astimezone(zone)))
        except OverflowError:
            continue
    return offsets


def _settled(
    waiting: list[tuple[datetime, int, PlannedSlot]], before: datetime | None
) -> Iterator[PlannedSlot]:
    while waiting and (before is None or waiting[0][0] < before):
        moment = waiting[0][0]
        together = []
        while waiting and waiting[0][0] == moment:
            together.append(heappop(waiting)[2])
        yield from _run_once(together)


def _run_once(together: list[PlannedSlot]) -> Iterable[PlannedSlot]:
    """Of slots with one fire_time, the one that exists runs, else the first."""
    running = [slot for slot in together if not slot.skipped]
    if len(running) < 2:
        return together
    winner = next((slot for slot in running if slot.slot_time == slot.fire_time), running[0])
    return [
        slot if slot.skipped or slot is winner else _yielding(slot, winner) for slot in together
    ]


def _yielding(slot: PlannedSlot, winner: PlannedSlot) -> PlannedSlot:
    return replace(
        slot,
        skipped=True,
        reason=f"{slot.dst_note} The slot of {winner.local_time} runs at that time.",
        coincides_with=winner.slot_time,
    )


def _shown_times(
    zone: ZoneInfo, times_from: Callable[[datetime], Iterator[datetime]], start: datetime
) -> Iterator[datetime]:
    """The local times of a rule that the clock shows, at or after `start`.

    It goes on behind the gap of a time that the clock jumps over, and ends when there is no
    other time in 41 years.
    """
    times, first_skipped = times_from(start), None
    while (local := next(times, None)) is not None:
        if (behind := _find_gap_end(zone, local)) is None:
            first_skipped = None
            yield local
            continue
        first_skipped = first_skipped or local
        if local - first_skipped > _RAREST:
            return
        times = times_from(behind)


def _find_gap_end(zone: ZoneInfo, local: datetime) -> datetime | None:
    """The local time to which the clock jumps over this one; None if it shows this one."""
    first = local.replace(tzinfo=zone, fold=0)
    try:
        if _offset(first) >= _offset(first.replace(fold=1)):
            return None
        change = _change_before(first.astimezone(UTC), zone)
        return change.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return None


def _slots_of(rule: _Rule, minute: datetime) -> list[PlannedSlot]:
    first = minute.replace(tzinfo=rule.zone, fold=0)
    second = first.replace(fold=1)
    before, after = _offset(first), _offset(second)
    if before == after:
        return [_slot(first, first.astimezone(UTC))]
    if before < after:
        return _in_gap(rule, first)
    return _in_fold(rule, first, second)


def _in_gap(rule: _Rule, local: datetime) -> list[PlannedSlot]:
    """A local time that the clock jumps over."""
    instant = local.astimezone(UTC)
    shown = instant.astimezone(rule.zone)
    taken = rule.has_time(shown.replace(tzinfo=None, fold=0))
    if taken and rule.every_n_hours:
        return []  # in elapsed time it is that very slot
    fire = (
        instant
        if rule.every_n_hours and rule.on_gap == "shift"
        else _change_before(instant, rule.zone)
    )
    slot = replace(_slot(local, fire), slot_time=instant + _TICK if taken else instant)
    note = f"{_clock(local)} does not exist on {local.date()}: clocks go forward."
    if rule.on_gap == "skip":
        return [replace(slot, dst_note=note, skipped=True, reason=f"{note} on_gap is skip.")]
    return [replace(slot, dst_note=f"{note} It moves to {_clock(fire.astimezone(rule.zone))}.")]


def _in_fold(rule: _Rule, first: datetime, second: datetime) -> list[PlannedSlot]:
    """A local time that the clock shows twice."""
    note = _twice(first)
    early, late = first.astimezone(UTC), second.astimezone(UTC)
    match rule.on_fold:
        case "both":
            return [
                replace(_slot(first, early), dst_note=f"{note} This is the first time."),
                replace(
                    _slot(second, late),
                    slot_time=late,
                    dst_note=f"{note} This is the second time.",
                ),
            ]
        case "last":
            return [replace(_slot(first, late), dst_note=f"{note} It runs the second time.")]
    return [replace(_slot(first, early), dst_note=f"{note} It runs the first time.")]


def _twice(local: datetime) -> str:
    return f"{_clock(local)} comes twice on {local.date()}: clocks go back."


def _slot(local: datetime, fire: datetime) -> PlannedSlot:
    assert local.tzinfo is not None
    return PlannedSlot(
        slot_time=local.astimezone(UTC),
        fire_time=fire,
        local_time=local.replace(tzinfo=None).isoformat(),
        utc_offset=_offset_text(_offset(fire.astimezone(local.tzinfo))),
        fold=local.fold,
    )


def _first_shown(zone: ZoneInfo, minute: datetime) -> datetime:
    """When the clock first shows this local time or a later one."""
    local = minute.replace(tzinfo=zone, fold=0)
    instant = local.astimezone(UTC)
    in_gap = _offset(local) < _offset(local.replace(fold=1))
    return _change_before(instant, zone) if in_gap else instant


def _change_before(instant: datetime, zone: ZoneInfo) -> datetime:
    """The clock change in the day up to `instant`, to the second."""
    high = instant.replace(microsecond=0)
    low = high - _NEAR
    after = _offset(high.astimezone(zone))
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
        if _offset(middle.astimezone(zone)) == after:
            high = middle
        else:
            low = middle
    return high


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)


@cache
def _offset_text(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}"


def _clock(local: datetime) -> str:
    return local.strftime("%H:%M")
