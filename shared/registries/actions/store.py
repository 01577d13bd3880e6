"""The action types of this process."""

from shared.registries.actions.types import ActionDefinition
from shared.registry import Registry, require_async


def new_registry() -> Registry[ActionDefinition]:
    return Registry("action", lambda entry: entry.type, _accept)


def _accept(entry: ActionDefinition) -> None:
    require_async(entry.handler, f"action {entry.type!r}")


actions = new_registry()


def register_action(entry: ActionDefinition) -> ActionDefinition:
    return actions.register(entry)


def get_action(type_: str) -> ActionDefinition | None:
    return actions.get(type_)


def all_actions() -> dict[str, ActionDefinition]:
    """A copy, by type."""
    return actions.all()
