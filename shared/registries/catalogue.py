"""The catalogue: every action, trigger and capability that is registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.actions.deliver import DELIVER
from shared.registries.actions.store import all_actions, register_action
from shared.registries.actions.types import ActionDefinition
from shared.registries.capabilities.store import all_capabilities
from shared.registries.capabilities.types import Capability
from shared.registries.triggers.schedule import SCHEDULE
from shared.registries.triggers.store import all_triggers, register_trigger
from shared.registries.triggers.types import TriggerDefinition


def register_builtins() -> None:
    """Registers the built-in entries. A second call changes nothing."""
    register_action(AGENT_TASK)
    register_action(DELIVER)
    register_trigger(SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskModel:
    """A model that a step may name by each of its names, or that may be chosen for it (`auto`)."""

    names: tuple[str, ...]
    priced: bool
    auto: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """`capabilities` is None while they are not known; tools are then left unchecked.

    So are budgets while `models` is None.
    """

    actions: Mapping[str, ActionDefinition]
    triggers: Mapping[str, TriggerDefinition]
    capabilities: Mapping[str, Capability] | None
    models: Sequence[TaskModel] | None = None


def current_catalogue() -> Catalogue:
    """Returns what this process has registered so far."""
    return Catalogue(
        actions=all_actions(), triggers=all_triggers(), capabilities=all_capabilities()
    )
