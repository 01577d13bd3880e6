"""Slots that are skipped before they come, and the slot that fires next. Pure."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from automation_service import definitions
from automation_service.persistence.records import Automation, SlotSkip, Trigger
from automation_service.scheduling.triggers import delay_by_jitter
from shared import errors
from shared.clock import rfc3339, shift
from shared.definition.states import AutomationStatus
from shared.resources import USER
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot

# Slots to come of an automation that may be skipped.
MAX_SKIPS: Final = 100
# A list of automations looks at the skips of all of them.
_MAX_LOOKED_AT: Final = 10
_TICK: Final = timedelta(microseconds=1)


def find_next_slot(
    owner: Automation, trigger: Trigger, *, after: datetime | None = None
) -> PlannedSlot | None:
    """Finds the first undecided slot that will fire, of those whose fire_time is after a moment.

    Neither a person nor a clock change skips it, and it does not come before the resume_time of a
    pause. Any other pause is not asked. None when its trigger is off or over, or its schedule
    can't be read.
    """
    if not trigger.enabled or trigger.next_fire_time is None:
        return None
    if (config := read_schedule(owner, trigger)) is None:
        return None
    start = trigger.decided_until if after is None else max(after, trigger.decided_until)
    if owner.status is AutomationStatus.PAUSED and owner.resume_time is not None:
        start = max(start, shift(owner.resume_time, -_TICK))
    skipped = {skip.slot_time for skip in trigger.skips}
    return next((s for s in slots.fires_after(config, start) if s.slot_time not in skipped), None)


def find_next_fire_time(owner: Automation, trigger: Trigger) -> datetime | None:
    """Finds when the next slot that will fire does: its fire_time and its jitter."""
    if not trigger.enabled or trigger.next_fire_time is None:
        return None
    may_differ = owner.resume_time is not None or any(_undecided(trigger))
    if not may_differ and not _skips_gaps(owner, trigger):
        return trigger.next_fire_time  # read from its row, which a list does for many
    slot, config = find_next_slot(owner, trigger), read_schedule(owner, trigger)
    if slot is None or config is None:
        return None
    return delay_by_jitter(config, str(trigger.id), slot.slot_time, slot.fire_time)


def is_skipped_for_good(owner: Automation, trigger: Trigger) -> bool:
    """Says whether a clock change skips all slots that a trigger which is on has left."""
    if not trigger.enabled or trigger.next_fire_time is None or not _skips_gaps(owner, trigger):
        return False
    config = read_schedule(owner, trigger)
    return (
        config is not None and next(slots.fires_after(config, trigger.decided_until), None) is None
    )


def add_next_slot(
    owner: Automation,
    now: datetime,
    *,
    trigger_id: str | None,
    slot_time: datetime | None,
    user: str,
    note: str,
) -> tuple[Trigger, list[SlotSkip]]:
    """Skips the next slot of an automation, or of one trigger. Returns the trigger's new skips.

    Of slots at one moment the first is that of the first trigger in the definition. Raises
    ResourceNotFound for an unknown trigger, NoSlotLeft, SlotMismatch when `slot_time` is that of
    another slot, and TooManySkips.
    """
    held = _choose(owner, trigger_id)
    coming = [(t, slot) for t in held if (slot := find_next_slot(owner, t, after=now))]
    if not coming:
        raise errors.NoSlotLeft(_name(owner, trigger_id))
    trigger, slot = min(coming, key=lambda one: one[1].fire_time)
    if slot_time is not None and slot.slot_time != slot_time:
        raise errors.SlotMismatch(
            _name(owner, trigger_id), asked=rfc3339(slot_time), slot_time=rfc3339(slot.slot_time)
        )
    if sum(len(list(_to_come(t, now))) for t in owner.triggers) >= MAX_SKIPS:
        raise errors.TooManySkips(owner.resource, limit=MAX_SKIPS)
    skip = SlotSkip(
        slot_time=slot.slot_time,
        fire_time=slot.fire_time,
        local_time=slot.local_time[:16],
        user=user,
        note=note,
        create_time=now,
    )
    return trigger, [*_undecided(trigger), skip]


def remove_slot(
    owner: Automation, now: datetime, *, trigger_id: str, slot_time: datetime
) -> tuple[Trigger, list[SlotSkip]]:
    """Takes a skip back. Returns the trigger's new skips.

    Raises ResourceNotFound for an unknown trigger, and SlotNotSkipped when the slot is not skipped
    or its fire_time has come.
    """
    [trigger] = _choose(owner, trigger_id)
    if not any(skip.slot_time == slot_time for skip in _to_come(trigger, now)):
        raise errors.SlotNotSkipped(_name(owner, trigger_id), slot_time=rfc3339(slot_time))
    return trigger, [skip for skip in _undecided(trigger) if skip.slot_time != slot_time]


def find_void(owner: Automation, trigger: Trigger, now: datetime) -> list[SlotSkip]:
    """Finds the skips of slots to come that the schedule no longer names.

    Of many skips the earliest are looked at.
    """
    coming = list(islice(_to_come(trigger, now), _MAX_LOOKED_AT))
    if not coming or (config := read_schedule(owner, trigger)) is None:
        return []
    return [skip for skip in coming if not slots.names_fire(config, skip.slot_time)]


def list_to_come(trigger: Trigger) -> list[SlotSkip]:
    """Lists the skips whose slots are not decided, the earliest first."""
    return list(_undecided(trigger))


def give_reason(skip: SlotSkip) -> str:
    """Returns why its slot has no run, in a sentence."""
    by = f"It was skipped by {USER.format(user=skip.user)}"
    return f"{by}: {skip.note}" if skip.note else f"{by}."


def read_schedule(owner: Automation, trigger: Trigger) -> ScheduleTriggerConfig | None:
    """Returns None when the definition can't be read: an operator may have changed it by hand."""
    try:
        if (config := _find_config(owner, trigger)) is not None:
            return definitions.parse_schedule(config)
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _skips_gaps(owner: Automation, trigger: Trigger) -> bool:
    """Says whether the row of a trigger may have the time of a slot that a clock change skips."""
    try:
        config = _find_config(owner, trigger)
        return config is not None and config.get("on_gap") == "skip"
    except (KeyError, TypeError, AttributeError):
        return False


def _find_config(owner: Automation, trigger: Trigger) -> dict[str, Any] | None:
    for spec in owner.definition["triggers"]:
        if spec["trigger_id"] == trigger.trigger_id:
            found: dict[str, Any] = spec["config"]
            return found
    return None


def _choose(owner: Automation, trigger_id: str | None) -> Collection[Trigger]:
    """Chooses the triggers in the order of the definition."""
    held = {trigger.trigger_id: trigger for trigger in owner.triggers}
    if trigger_id is not None:
        if trigger_id not in held:
            raise errors.ResourceNotFound(owner.trigger_name(trigger_id))
        return [held[trigger_id]]
    order = [spec.get("trigger_id") for spec in owner.definition.get("triggers", [])]
    return [held[one] for one in order if one in held]


def _undecided(trigger: Trigger) -> Iterator[SlotSkip]:
    return (skip for skip in trigger.skips if skip.fire_time > trigger.decided_until)


def _to_come(trigger: Trigger, now: datetime) -> Iterator[SlotSkip]:
    return (skip for skip in _undecided(trigger) if skip.fire_time > now)


def _name(owner: Automation, trigger_id: str | None) -> str:
    return owner.resource if trigger_id is None else owner.trigger_name(trigger_id)
