"""Slots that repeat a decided local time after the rules of a time zone changed. Pure."""

from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from uuid import UUID

from automation_service.persistence.records import Trigger
from automation_service.persistence.slot_dispatch import LastSlot, SlotRow
from shared import resources
from shared.clock import rfc3339
from shared.definition.states import SlotOutcome
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot

_TICK: Final = timedelta(microseconds=1)
_MINUTE_OF: Final = slice(0, 16)
# More than the minutes by which the offset of any zone ever changed.
MAX_SLOTS: Final = 2_000


def find_repeated_slots(
    config: ScheduleTriggerConfig, last: LastSlot | None, after: datetime
) -> list[PlannedSlot]:
    """Finds the slots after a moment whose local time is not after that of the last slot.

    Empty while the rules of the last slot still hold, and for a schedule of elapsed time, which
    does not depend on local time.
    """
    if last is None or config.is_elapsed or _still_named(config, last):
        return []
    found = takewhile(
        lambda slot: slot.local_time[_MINUTE_OF] <= last.local_time,
        slots.slots_after(config, after),
    )
    return list(islice(found, MAX_SLOTS))


def build_slot_row(
    automation: UUID, trigger: Trigger, slot: PlannedSlot, last: LastSlot
) -> SlotRow:
    """Builds the row of a repeated slot: skipped."""
    decided = rfc3339(last.slot_time)
    return SlotRow(
        id=resources.new_id(),
        automation_id=automation,
        trigger=trigger.id,
        trigger_id=trigger.trigger_id,
        slot_time=slot.slot_time,
        fire_time=slot.fire_time,
        local_time=slot.local_time[_MINUTE_OF],
        outcome=SlotOutcome.SKIPPED_DST,
        reason=(
            "The rules of its time zone changed: this local time was decided before them, "
            f"up to the slot of {decided}."
        ),
    )


def _still_named(config: ScheduleTriggerConfig, last: LastSlot) -> bool:
    for slot in slots.slots_after(config, last.fire_time - _TICK):
        if slot.fire_time > last.fire_time:
            return False
        if slot.slot_time == last.slot_time:
            return slot.local_time[_MINUTE_OF] == last.local_time
    return False
