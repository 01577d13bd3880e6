"""The table of every call: what it answers, and each documented way it refuses."""

from typing import Final

from tests.contract.calls.automation_rows import AUTOMATION_ROWS
from tests.contract.calls.chat_rows import AGENT_ROWS, CHAT_ROWS
from tests.contract.calls.delivery_rows import DELIVERY_ROWS
from tests.contract.calls.destination_rows import DESTINATION_ROWS
from tests.contract.calls.inbox_rows import INBOX_ROWS
from tests.contract.calls.model_rows import MODEL_ROWS
from tests.contract.calls.notice_rows import NOTICE_ROWS, NOTICE_SETTINGS_ROWS
from tests.contract.calls.promise_rows import PROMISE_ROWS
from tests.contract.calls.webhook_rows import WEBHOOK_ROWS
from tests.contract.rows import Row

ROWS: Final[list[Row]] = [
    *CHAT_ROWS,
    *MODEL_ROWS,
    *AUTOMATION_ROWS,
    *WEBHOOK_ROWS,
    *DESTINATION_ROWS,
    *INBOX_ROWS,
    *DELIVERY_ROWS,
    *AGENT_ROWS,
    *NOTICE_ROWS,
    *NOTICE_SETTINGS_ROWS,
    *PROMISE_ROWS,
]

# Calls of the contract that this version answers with UNIMPLEMENTED / NOT_SERVED. One that is
# served leaves this set and gets its rows above.
NOT_SERVED: Final[frozenset[str]] = frozenset()

# Calls that a viewer may make: they only read, or change what is the viewer's own. Every other
# public call needs an editor or, on the webhook, an owner.
READS: Final = frozenset(
    {
        "ChatService/GetThread",
        "ChatService/ListThreads",
        "ChatService/ListMessages",
        "ChatService/WatchTurn",
        "ChatService/GetTurn",
        "ChatService/ListTurns",
        "ChatService/GetApproval",
        "ChatService/ListApprovals",
        "ChatService/GetModelConfig",
        "ChatService/ListModelConfigs",
        "AutomationService/GetAutomation",
        "AutomationService/ListAutomations",
        "AutomationService/GetTrigger",
        "AutomationService/ListTriggers",
        "AutomationService/ListRevisions",
        "AutomationService/GetRevision",
        "AutomationService/PreviewSchedule",
        "AutomationService/ListSlots",
        "AutomationService/ExplainSlot",
        "AutomationService/GetRun",
        "AutomationService/ListRuns",
        "AutomationService/WatchRun",
        "AutomationService/ListActionTypes",
        "AutomationService/ListTriggerTypes",
        "AutomationService/ListCapabilities",
        "DestinationService/GetDestination",
        "DestinationService/ListDestinations",
        "InboxService/GetInboxItem",
        "InboxService/ListInboxItems",
        "InboxService/WatchInboxItems",
        "InboxService/MarkInboxItems",
        "DeliveryService/GetDelivery",
        "DeliveryService/ListDeliveries",
        "NoticeSettingsService/GetNoticeSettings",
        "NoticeSettingsService/UpdateNoticeSettings",
    }
)


def first_answer(method: str) -> Row:
    """The row that shows a call answered."""
    return next(row for row in ROWS if row.method == method and not row.wants)
