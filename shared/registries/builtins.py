"""The action and trigger types that every installation has."""

from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.actions.store import register_action
from shared.registries.triggers.schedule import SCHEDULE
from shared.registries.triggers.store import register_trigger


def register_builtins() -> None:
    """May be called again; changes nothing then."""
    register_action(AGENT_TASK)
    register_trigger(SCHEDULE)
