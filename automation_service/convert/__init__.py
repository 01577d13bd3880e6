"""Wire messages from what the service keeps, and back."""

from automation_service.convert.automations import (
    automation,
    create_json,
    definition,
    definition_json,
    revision,
    trigger,
    trigger_json,
    triggers,
)
from automation_service.convert.common import instant, open_json
from automation_service.convert.registries import action_type, capability, trigger_type
from automation_service.convert.runs import event, run
from automation_service.convert.slots import planned, slot
from automation_service.convert.webhooks import delivery, webhook, webhook_values

__all__ = [
    "action_type",
    "automation",
    "capability",
    "create_json",
    "definition",
    "definition_json",
    "delivery",
    "event",
    "instant",
    "open_json",
    "planned",
    "revision",
    "run",
    "slot",
    "trigger",
    "trigger_json",
    "trigger_type",
    "triggers",
    "webhook",
    "webhook_values",
]
