"""A definition's triggers → the rows that come due."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from automation_service.persistence.records import Trigger
from shared import resources, schedule, zones
from shared.definition import AutomationDefinition, TriggerSpec, TriggerType
from shared.registries.triggers.schedule import ScheduleTriggerConfig
from shared.schedule import PlannedSlot

# Definitions that were read: how many, and of how many characters, are kept.
MOST_KEPT: Final = 1_000
LARGEST_KEPT: Final = 16_384


def new_trigger(spec: TriggerSpec, now: datetime) -> Trigger:
    """The row of a trigger whose schedule begins now."""
    trigger_id = resources.new_id()
    return Trigger(
        id=trigger_id,
        trigger_id=spec.trigger_id,
        type=TriggerType(spec.type),
        enabled=spec.enabled,
        decided_until=now,
        next_fire_time=next_fire_time(config_of(spec.config), str(trigger_id), now),
        tzdata_version=zones.VERSION,
        create_time=now,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """A stored definition as the dispatcher reads it."""

    definition: AutomationDefinition
    _configs: dict[str, ScheduleTriggerConfig] = field(default_factory=dict)

    def trigger(self, trigger_id: str) -> tuple[TriggerSpec, ScheduleTriggerConfig]:
        """Raises for a trigger that it has not, or that can't be read."""
        spec = next(t for t in self.definition.triggers if t.trigger_id == trigger_id)
        if (config := self._configs.get(trigger_id)) is None:
            config = self._configs[trigger_id] = config_of(spec.config)
        return spec, config


def read(definition: str) -> Plan:
    """Reads JSON text. Raises for what is no definition.

    What was read is kept by its very text, so that a row changed by hand is read again.
    """
    return _kept(definition) if len(definition) <= LARGEST_KEPT else _read(definition)


def _read(definition: str) -> Plan:
    return Plan(AutomationDefinition.model_validate(json.loads(definition)))


_kept = lru_cache(maxsize=MOST_KEPT)(_read)


def config_of(config: dict[str, Any]) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate(config)


def next_fire_time(
    config: ScheduleTriggerConfig, seed: str, after: datetime, *, fires: int = 0
) -> datetime | None:
    """When the first slots after a moment come due; None when none is left."""
    if config.max_fires is not None and fires >= config.max_fires:
        return None
    together = schedule.next_slots(config, after, 1)
    return due_time(config, seed, together) if together else None


def due_time(config: ScheduleTriggerConfig, seed: str, together: list[PlannedSlot]) -> datetime:
    """When slots of one fire_time are decided: then, or late by the jitter of the one that runs."""
    running = next((slot for slot in together if not slot.skipped), None)
    late = (
        schedule.jitter(seed, running.slot_time, config.jitter_seconds) if running else timedelta(0)
    )
    return together[0].fire_time + late


def reschedule(trigger: Trigger, spec: TriggerSpec, now: datetime) -> dict[str, Any]:
    """What changes of a row whose schedule was changed: it is computed anew from now."""
    config = config_of(spec.config)
    return {
        "enabled": spec.enabled,
        "disabled_reason": "",
        "decided_until": now,
        "next_fire_time": next_fire_time(config, str(trigger.id), now, fires=trigger.fires),
        "tzdata_version": zones.VERSION,
    }
