"""Which slots of a trigger are due. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from automation_service.scheduling import triggers
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot

MAX_SLOTS: Final = 500
# How far back the latest due slot is looked for first: often it is near.
_MINUTES: Final = timedelta(minutes=5)
_HOURS: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlots:
    """Slots by fire_time, those of one fire_time together, each with since when it is due.

    `until` is the fire_time up to which they go, `next_time` when the first after them comes due,
    and `latest` the last of all due slots that may run, which may be none of these.
    """

    groups: list[tuple[datetime, list[PlannedSlot]]]
    until: datetime
    next_time: datetime | None
    latest: PlannedSlot | None


def find_due_slots(
    config: ScheduleTriggerConfig, seed: str, after: datetime, now: datetime, *, reach: timedelta
) -> DueSlots:
    """The first due slots after a moment, about 500 of them.

    When there are more, `latest` is looked for only as far back as `reach`.
    """
    groups: list[tuple[datetime, list[PlannedSlot]]] = []
    count, next_time = 0, None
    # Lazily: the slots of a rare schedule are years apart.
    for own, due, together in _by_due_time(config, seed, after):
        if due > now or count >= MAX_SLOTS:
            next_time = own
            break
        count += len(together)
        groups.append((due, together))
    return DueSlots(
        groups=groups,
        until=groups[-1][1][0].fire_time if groups else after,
        next_time=next_time,
        latest=(
            _latest(config, seed, now, reach)
            if next_time is not None and next_time <= now
            else _last_running(groups)
        ),
    )


def _by_due_time(
    config: ScheduleTriggerConfig, seed: str, after: datetime
) -> Iterator[tuple[datetime, datetime, list[PlannedSlot]]]:
    """When slots come due by themselves, and when no sooner than those before them.

    A slot is never due before an earlier one, however the jitter of the two fell.
    """
    due = after
    for _, same in groupby(slots.slots_after(config, after), key=lambda slot: slot.fire_time):
        together = list(same)
        own = triggers.compute_due_time(config, seed, together)
        due = max(due, own)
        yield own, due, together


def _last_running(groups: list[tuple[datetime, list[PlannedSlot]]]) -> PlannedSlot | None:
    for _, together in reversed(groups):
        for slot in together:
            if not slot.skipped:
                return slot
    return None


def _latest(
    config: ScheduleTriggerConfig, seed: str, now: datetime, reach: timedelta
) -> PlannedSlot | None:
    slack = timedelta(seconds=config.jitter_seconds)
    for back in (_MINUTES, _HOURS, reach):
        found: PlannedSlot | None = None
        for _, due, together in _by_due_time(config, seed, now - min(back, reach) - slack):
            if due > now:
                break
            found = next((slot for slot in together if not slot.skipped), found)
        if found is not None or back >= reach:
            return found
    return None
