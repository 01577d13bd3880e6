"""What can make an automation run."""

from shared.registries.triggers.schedule import SCHEDULE, ScheduleTriggerConfig
from shared.registries.triggers.store import all_triggers, get_trigger, register_trigger
from shared.registries.triggers.types import TriggerDefinition

__all__ = [
    "SCHEDULE",
    "ScheduleTriggerConfig",
    "TriggerDefinition",
    "all_triggers",
    "get_trigger",
    "register_trigger",
]
