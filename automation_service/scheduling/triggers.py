"""Trigger rows of a definition, with the time of their next slot."""

from datetime import UTC, datetime
from typing import Any

from automation_service.definitions import parse_schedule
from automation_service.persistence.records import Trigger
from shared import resources
from shared.clock import shift
from shared.definition.envelope import TriggerSpec
from shared.definition.states import TriggerType
from shared.schedule import slots, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot


def build_trigger(spec: TriggerSpec, now: datetime) -> Trigger:
    """Builds the row of a new trigger. Its schedule begins now."""
    trigger_id = resources.new_id()
    return Trigger(
        id=trigger_id,
        trigger_id=spec.trigger_id,
        type=TriggerType(spec.type),
        enabled=spec.enabled,
        decided_until=now,
        next_fire_time=compute_next_fire_time(parse_schedule(spec.config), str(trigger_id), now),
        tzdata_version=zones.VERSION,
        create_time=now,
    )


def compute_next_fire_time(
    config: ScheduleTriggerConfig, seed: str, after: datetime, *, fires: int = 0
) -> datetime | None:
    """Computes when the first slots after a moment come due. None when no slot is left."""
    if config.max_fires is not None and fires >= config.max_fires:
        return None
    together = slots.next_slots(config, after, 1)
    return compute_due_time(config, seed, together) if together else None


def compute_due_time(
    config: ScheduleTriggerConfig, seed: str, together: list[PlannedSlot]
) -> datetime:
    """Computes when slots of one fire_time come due: then, plus the jitter of the one that runs.

    Jitter carries no slot past end_time.
    """
    fire_time = together[0].fire_time
    running = next((slot for slot in together if not slot.skipped), None)
    return delay_by_jitter(config, seed, running.slot_time, fire_time) if running else fire_time


def delay_by_jitter(
    config: ScheduleTriggerConfig, seed: str, slot_time: datetime, fire_time: datetime
) -> datetime:
    due = shift(fire_time, slots.jitter(seed, slot_time, config.jitter_seconds))
    return due if config.end_time is None else min(due, config.end_time.astimezone(UTC))


def build_schedule_update(trigger: Trigger, spec: TriggerSpec, now: datetime) -> dict[str, Any]:
    """Builds the update of a row whose schedule changed. The schedule begins now."""
    config = parse_schedule(spec.config)
    return {
        "enabled": spec.enabled,
        "disabled_reason": "",
        "disabled_time": None,
        "decided_until": now,
        "next_fire_time": compute_next_fire_time(config, str(trigger.id), now, fires=trigger.fires),
        "tzdata_version": zones.VERSION,
    }
