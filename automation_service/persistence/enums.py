"""PostgreSQL ENUM types of the enums in code."""

from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome, TriggerType

SCHEMA: Final = "automation"


class WebhookDeliveryStatus(StrEnum):
    """The state of a message to a webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryState(StrEnum):
    """What became of a delivery. Those that are unchanged or empty were left out by its step."""

    PENDING = "pending"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    UNCHANGED = "unchanged"
    EMPTY = "empty"


class InboxItemKind(StrEnum):
    """What an inbox item tells. Stored as text, so that a kind needs no migration."""

    RESULT = "result"
    RUN_FAILED = "run_failed"
    APPROVAL_WAITING = "approval_waiting"
    AUTOMATION_PAUSED = "automation_paused"
    AUTOMATION_RESUMED = "automation_resumed"
    TRIGGER_DISABLED = "trigger_disabled"
    DESTINATION_PAUSED = "destination_paused"
    DELIVERY_FAILED = "delivery_failed"


class InboxItemState(StrEnum):
    """Whether its person has seen an inbox item."""

    UNREAD = "unread"
    READ = "read"


class DestinationKind(StrEnum):
    """Stored in lower case, as channels have it. The API has the names."""

    EMAIL = "email"
    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"
    TELEGRAM = "telegram"
    MATRIX = "matrix"
    NTFY = "ntfy"
    PUSHOVER = "pushover"
    WEBHOOK = "webhook"


class DestinationState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    UNVERIFIED = "unverified"


class NoticeKind(StrEnum):
    """What a notice is about. Stored as text. The last two go to the inbox only."""

    APPROVAL_WAITING = "approval_waiting"
    RUN_FAILED = "run_failed"
    AUTOMATION_PAUSED = "automation_paused"
    DESTINATION_PAUSED = "destination_paused"
    DELIVERY_FAILED = "delivery_failed"
    AUTOMATION_RESUMED = "automation_resumed"
    TRIGGER_DISABLED = "trigger_disabled"


class NoticeState(StrEnum):
    """What became of a notice. Stored as text."""

    WAITING = "waiting"
    SENT = "sent"
    MUTED = "muted"  # the person wants none of its kind
    DECIDED = "decided"  # its approval was, or is gone
    EXPIRED = "expired"  # its approval did
    NO_ACCESS = "no_access"  # the person is no member any more
    BROKEN = "broken"  # an error of the code ended each try of a day


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
# SKIPPED_REQUESTED is stored as skipped_paused with skip_requested: a replica of an older version
# fails to read an outcome that it does not know.
LEDGER_OUTCOMES: Final = tuple(o.value for o in SlotOutcome if o != SlotOutcome.SKIPPED_REQUESTED)
SLOT_OUTCOME: Final = sa.Enum(*LEDGER_OUTCOMES, name="automation_slot_outcome", schema=SCHEMA)
DELIVERY_STATE: Final = _type("delivery_state", DeliveryState)
WEBHOOK_DELIVERY_STATUS: Final = _type("webhook_delivery_status", WebhookDeliveryStatus)
DESTINATION_KIND: Final = _type("destination_kind", DestinationKind)
DESTINATION_STATE: Final = _type("destination_state", DestinationState)

ACTIVE_RUNS: Final = (RunStatus.PENDING, RunStatus.RUNNING)
