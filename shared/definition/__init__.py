"""What an automation is: the editable envelope and its states."""

from shared.definition.envelope import (
    AutomationCreate,
    AutomationDefinition,
    InputsBlock,
    MetadataBlock,
    TriggerSpec,
    dump,
)
from shared.definition.execution import ExecutionBlock, PlanStep
from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome, TriggerType

__all__ = [
    "AutomationCreate",
    "AutomationDefinition",
    "AutomationStatus",
    "ExecutionBlock",
    "InputsBlock",
    "MetadataBlock",
    "PlanStep",
    "RunStatus",
    "SlotOutcome",
    "TriggerSpec",
    "TriggerType",
    "dump",
]
