"""PostgreSQL ENUM types of the enums in code."""

from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome, TriggerType

SCHEMA: Final = "automation"


class DeliveryStatus(StrEnum):
    """The state of a message to a webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def _type(name: str, values: type[StrEnum]) -> sa.Enum:
    return sa.Enum(
        values,
        name=name,
        schema=SCHEMA,
        values_callable=lambda found: [member.value for member in found],
    )


AUTOMATION_STATUS: Final = _type("automation_status", AutomationStatus)
TRIGGER_TYPE: Final = _type("automation_trigger_type", TriggerType)
RUN_STATUS: Final = _type("automation_run_status", RunStatus)
SLOT_OUTCOME: Final = _type("automation_slot_outcome", SlotOutcome)
DELIVERY_STATUS: Final = _type("webhook_delivery_status", DeliveryStatus)

ACTIVE_RUNS: Final = (RunStatus.PENDING, RunStatus.RUNNING)
