"""What a person should know of an automation now: why it fires less, and what reaches nobody."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from automation_service.destinations.use_faults import UseFault
from automation_service.persistence.records import Automation, SlotSkip, Trigger
from automation_service.scheduling import slot_skips
from shared.definition.states import AutomationStatus, SlotOutcome
from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig

# How many of the last slots are looked at, and how many skipped ones are told of.
LAST_SLOTS: Final = 3
_MANY: Final = 2
_COUNTS: Final = {2: "two", 3: "all"}


def find_notes(
    owner: Automation,
    outcomes: Mapping[UUID, Sequence[SlotOutcome]],
    now: datetime,
    faults: Sequence[UseFault] = (),
) -> tuple[str, ...]:
    """Returns a sentence of each.

    `outcomes` has those of the last slots of each trigger, `faults` what is wrong with the
    destinations that it delivers to.
    """
    if owner.status is AutomationStatus.ARCHIVED:
        return (f"It was archived at {_moment(owner.update_time, 'UTC')}, and fires no more.",)
    held = {trigger.trigger_id: trigger for trigger in owner.triggers}
    order = [spec.get("trigger_id") for spec in owner.definition.get("triggers", [])]
    triggers = [held[trigger_id] for trigger_id in order if trigger_id in held]
    found = [note for one in triggers for note in _of_skipped(one, outcomes.get(one.id, ()))]
    skipped = {one.id for one in triggers if slot_skips.is_skipped_for_good(owner, one)}
    if triggers and all(_is_over(trigger) or trigger.id in skipped for trigger in triggers):
        found.append("It is finished: no fire is left until a schedule is changed.")
    elif left_out := _find_skipped(owner, triggers, now):
        found.append(_tell_skipped(*left_out))
    elif owner.resume_time is not None and not _fires_again(owner, triggers):
        when = _moment(owner.resume_time, "UTC")
        found.append(f"It resumes at {when}, and nothing fires after that.")
    found += [note for one in triggers for note in _of_void_skips(owner, one, now)]
    found += [
        f"The trigger {one.trigger_id} fires no more: a clock change skips every time that its "
        "schedule has left."
        for one in triggers
        if one.id in skipped
    ]
    found += [note for one in triggers for note in _of_trigger(owner, one, now)]
    return (*found, *(_tell_fault(fault) for fault in faults))


def _fires_again(owner: Automation, triggers: Sequence[Trigger]) -> bool:
    return any(slot_skips.find_next_slot(owner, trigger) for trigger in triggers)


def _find_skipped(
    owner: Automation, triggers: Sequence[Trigger], now: datetime
) -> tuple[Trigger, SlotSkip, int] | None:
    """Finds the first skip of an automation that fires no more because of its skips.

    The count is that of all such skips. None when it fires, or would not fire without them.
    """
    if owner.status is AutomationStatus.PAUSED and owner.resume_time is None:
        return None
    start = now if owner.resume_time is None else max(now, owner.resume_time)
    skips = [
        (trigger, skip)
        for trigger in triggers
        if trigger.enabled
        for skip in slot_skips.list_to_come(trigger)
        if skip.fire_time >= start
    ]
    if not skips or _fires_again(owner, triggers):
        return None
    void = {
        (trigger.id, skip.slot_time)
        for trigger in triggers
        for skip in slot_skips.find_void(owner, trigger, now)
    }
    left = [(t, skip) for t, skip in skips if (t.id, skip.slot_time) not in void]
    if not left:
        return None
    trigger, skip = min(left, key=lambda one: one[1].fire_time)
    return trigger, skip, len(left)


def _tell_skipped(trigger: Trigger, skip: SlotSkip, count: int) -> str:
    when = f"{skip.local_time.replace('T', ' ')} of the trigger {trigger.trigger_id}"
    by = slot_skips.give_reason(skip).removeprefix("It was ")
    if count == 1:
        text = f"Nothing fires: its only time left, {when}, is {by}"
    else:
        text = f"Nothing fires: its {count} times left are skipped. The first, {when}, was {by}"
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{text}{end} Until it comes that can be taken back."


def _of_void_skips(owner: Automation, trigger: Trigger, now: datetime) -> Iterator[str]:
    void = slot_skips.find_void(owner, trigger, now)
    if void:
        first, more = void[0].local_time, f" and {len(void) - 1} more" if len(void) > 1 else ""
        yield (
            f"The skip of {first}{more} skips nothing: the schedule of the trigger "
            f"{trigger.trigger_id} does not name it any more."
        )


def _is_over(trigger: Trigger) -> bool:
    return trigger.enabled and trigger.next_fire_time is None


def _of_skipped(trigger: Trigger, last: Sequence[SlotOutcome]) -> Iterator[str]:
    skipped = last.count(SlotOutcome.SKIPPED_OVERLAP)
    if trigger.enabled and len(last) == LAST_SLOTS and skipped >= _MANY:
        yield (
            f"It runs less often than the trigger {trigger.trigger_id} says: {_COUNTS[skipped]} "
            "of its last three slots were skipped, since an earlier run was still going."
        )


def _of_trigger(owner: Automation, trigger: Trigger, now: datetime) -> Iterator[str]:
    config = slot_skips.read_schedule(owner, trigger)
    zone = config.timezone if config else "UTC"
    decided = _moment(trigger.decided_until, zone)
    name = f"The trigger {trigger.trigger_id}"
    if trigger.disabled_reason and not trigger.enabled:
        off = trigger.disabled_time
        since = f"has been off since {_moment(off, zone)}" if off else "is off"
        yield f"{name} {since}, and no slot after {decided} is decided: {trigger.disabled_reason}"
    elif not trigger.enabled:
        yield f"{name} has been switched off since {decided}."
    elif trigger.next_fire_time is None and config is not None:
        yield f"{name} {_end(trigger, config, now)}."


def _end(trigger: Trigger, config: ScheduleTriggerConfig, now: datetime) -> str:
    last = trigger.last_fire_time
    if config.at is not None:
        missed = "" if trigger.fires else ", and it did not fire"
        return (
            f"is over: its moment, {config.at:%Y-%m-%d %H:%M} {config.timezone}, has come{missed}"
        )
    if config.max_fires is not None and trigger.fires >= config.max_fires:
        at = f", last for {_moment(last, config.timezone)}" if last else ""
        times = "once" if trigger.fires == 1 else f"{trigger.fires} times"
        return f"is over: it fired {times}{at}, and max_fires allows no more"
    if config.end_time is not None and config.end_time <= now:
        return f"has been over since {_moment(config.end_time, config.timezone)}, its end_time"
    until = " before its end_time" if config.end_time is not None else ""
    since = _moment(trigger.decided_until, config.timezone)
    return f"has been over since {since}: its schedule names no later time{until}"


def _tell_fault(fault: UseFault) -> str:
    return f"Nothing reaches {fault.called}: {fault.description.rstrip('.')}."


def _moment(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(zones.load(zone) if zone != 'UTC' else UTC):%Y-%m-%d %H:%M} {zone}"
