"""The due slots of a trigger. Pure: no database, no clock."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from cachetools import LRUCache

from automation_service.scheduling import triggers
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot

MAX_SLOTS: Final = 500
# The latest due slot is searched in these spans first: often it is near.
_MINUTES: Final = timedelta(minutes=5)
_HOURS: Final = timedelta(hours=3)
# Answers that are kept: the triggers of a tick that share a schedule share them.
KEPT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlots:
    """Due slots in order of fire_time; a group is the slots of one fire_time and its due time.

    The due time is later than now only for early slots. `until` is the last fire_time of the
    groups. `next_time` is when the next slot comes due. `latest` is the last due slot that may
    run; it may come after the groups.
    """

    groups: list[tuple[datetime, list[PlannedSlot]]]
    until: datetime
    next_time: datetime | None
    latest: PlannedSlot | None


def find_due_slots(
    config: ScheduleTriggerConfig,
    seed: str,
    after: datetime,
    now: datetime,
    *,
    reach: timedelta,
    early: bool = False,
    without: Collection[datetime] = (),
) -> DueSlots:
    """Finds the first due slots after a moment, about MAX_SLOTS of them.

    With `early`, slots that are still inside their jitter count as due. When there are more slots,
    `latest` is searched only as far back as `reach`. It is none of those whose slot_time is in
    `without`, which somebody skipped.

    The answer may be shared: without jitter and skips it is the same for every `seed`.
    """
    if config.jitter_seconds or without:
        return _find(config, seed, after, now, reach, early, without)
    key = (config, after, now, reach, early)
    if (found := _KEPT.get(key)) is None:
        found = _KEPT[key] = _find(config, seed, after, now, reach, early, without)
    return found


_Key = tuple[ScheduleTriggerConfig, datetime, datetime, timedelta, bool]
_KEPT: Final[LRUCache[_Key, DueSlots]] = LRUCache(KEPT)


def _find(
    config: ScheduleTriggerConfig,
    seed: str,
    after: datetime,
    now: datetime,
    reach: timedelta,
    early: bool,
    without: Collection[datetime],
) -> DueSlots:
    groups: list[tuple[datetime, list[PlannedSlot]]] = []
    count, next_time, more = 0, None, False
    # Lazily: the slots of a rare schedule are years apart.
    for own, due, together in _by_due_time(config, seed, after):
        if count >= MAX_SLOTS or not _has_come(due, together, now, early):
            next_time = own
            more = _has_come(due, together, now, early)
            break
        count += len(together)
        groups.append((due, together))
    return DueSlots(
        groups=groups,
        until=groups[-1][1][0].fire_time if groups else after,
        next_time=next_time,
        latest=(
            _latest(config, seed, now, reach, early, without)
            if more
            else _last_running(groups, without)
        ),
    )


def _by_due_time(
    config: ScheduleTriggerConfig, seed: str, after: datetime
) -> Iterator[tuple[datetime, datetime, list[PlannedSlot]]]:
    """Yields groups of slots, with their own due time and the one that keeps the order.

    Jitter can give a slot an earlier due time than the slot before; the order is kept.
    """
    due = after
    for _, same in groupby(slots.slots_after(config, after), key=lambda slot: slot.fire_time):
        together = list(same)
        own = triggers.compute_due_time(config, seed, together)
        due = max(due, own)
        yield own, due, together


def _has_come(due: datetime, together: list[PlannedSlot], now: datetime, early: bool) -> bool:
    return (together[0].fire_time if early else due) <= now


def _last_running(
    groups: list[tuple[datetime, list[PlannedSlot]]], without: Collection[datetime]
) -> PlannedSlot | None:
    for _, together in reversed(groups):
        for slot in together:
            if not slot.skipped and slot.slot_time not in without:
                return slot
    return None


def _latest(
    config: ScheduleTriggerConfig,
    seed: str,
    now: datetime,
    reach: timedelta,
    early: bool,
    without: Collection[datetime],
) -> PlannedSlot | None:
    slack = timedelta(seconds=config.jitter_seconds)
    for back in (_MINUTES, _HOURS, reach):
        found: PlannedSlot | None = None
        for _, due, together in _by_due_time(config, seed, now - min(back, reach) - slack):
            if not _has_come(due, together, now, early):
                break
            running = (s for s in together if not s.skipped and s.slot_time not in without)
            found = next(running, found)
        if found is not None or back >= reach:
            return found
    return None
