"""What a step of a plan can do."""

from shared.registries.actions.agent_task import AGENT_TASK, AgentTaskActionConfig
from shared.registries.actions.store import all_actions, get_action, register_action
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionHandler,
    ActionResult,
    Agent,
    AgentResult,
    AgentTask,
    Usage,
)

__all__ = [
    "AGENT_TASK",
    "ActionContext",
    "ActionDefinition",
    "ActionHandler",
    "ActionResult",
    "Agent",
    "AgentResult",
    "AgentTask",
    "AgentTaskActionConfig",
    "Usage",
    "all_actions",
    "get_action",
    "register_action",
]
