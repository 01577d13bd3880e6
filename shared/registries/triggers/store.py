"""The trigger types of this process."""

from shared.registries.triggers.types import TriggerDefinition
from shared.registry import Registry


def new_registry() -> Registry[TriggerDefinition]:
    return Registry("trigger", lambda entry: entry.type)


triggers = new_registry()


def register_trigger(entry: TriggerDefinition) -> TriggerDefinition:
    return triggers.register(entry)


def get_trigger(type_: str) -> TriggerDefinition | None:
    return triggers.get(type_)


def all_triggers() -> dict[str, TriggerDefinition]:
    """A copy, by type."""
    return triggers.all()
