"""Every number in a comment is a rule of the field, or one that the code has."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from automation_service import outbox_worker
from automation_service.api.convert import notice_settings as convert_notice_settings
from automation_service.automations.lifecycle import LONGEST_PAUSE
from automation_service.destinations import delivery_target, verification, verification_code
from automation_service.destinations import service as destinations
from automation_service.destinations import settings as destination_settings
from automation_service.persistence.outbox import deliveries
from automation_service.persistence.outbox.notice_settings import APPROVAL_DELAY, FAILURE_INTERVAL
from automation_service.runs.steps.results import MAX_OUTPUT_BYTES
from automation_service.scheduling import backfill, ledger, slot_decision, slot_skips
from automation_service.settings import AutomationSettings
from automation_service.webhooks import secrets, sender
from chat_service.agent.subagent_run import MAX_LINES
from chat_service.api import model_configs, tasks
from chat_service.bootstrap import LARGEST_MESSAGE
from chat_service.flows import user_message
from chat_service.llm import provider_cause
from chat_service.llm.config import CONTEXT_TOKENS
from chat_service.llm.features import request_options
from chat_service.llm.probe import model_probe
from chat_service.settings import ChatSettings
from chat_service.tools.automations import preview
from chat_service.tools.automations.changes import approved_action
from chat_service.tools.automations.changes import backfill as backfill_card
from shared.aip import DEFAULT_PAGE, LARGEST_PAGE, MAX_RESPONSE_BYTES
from shared.db.tenancy import REQUEST_RETENTION, SESSION_RETENTION
from shared.definition.envelope import MAX_TAGS
from shared.definition.execution import ON_FAILURE_SECONDS, ExecutionBlock
from shared.definition.fields import MAX_OBJECT_DEPTH
from shared.registries.actions import deliver
from shared.registries.actions.agent_task import MAX_PROMPT, MAX_RENDERED_PROMPT, MAX_TOOLS
from shared.rpc.page_tokens import TOKEN_LIFE
from shared.rpc.server.interceptor import ServerInterceptor
from shared.schedule.config import LONGEST_STEP, MOST_EXCLUDED
from shared.text.snippet import MAX_SNIPPET
from shared.validation.check import MAX_BYTES
from shared.validation.templates import MAX_INSIDE, MAX_TEMPLATES
from tests.protos import contract

DAY: Final = timedelta(days=1)
OF_EVERY_LIST: Final = {
    "page_size": {DEFAULT_PAGE, LARGEST_PAGE, MAX_RESPONSE_BYTES},
    "page_token": {TOKEN_LIFE // DAY},
}
KEPT: Final = REQUEST_RETENTION // DAY
REQUEST_BYTES: Final[Any] = ServerInterceptor.__dataclass_fields__["limit"].default


def default(settings: Any, name: str) -> int:
    return int(settings.model_fields[name].default)


# What a comment says and no rule of the field holds: where the number is.
OF_THE_CODE: Final[dict[str, set[int]]] = {
    "agent.CancelTaskResponse.usage": {int(tasks.CANCEL_SECONDS)},
    "agent.RunTaskRequest.session_id": {KEPT},
    "automation.Artifact.content": {MAX_OUTPUT_BYTES},
    "automation.Automation.consecutive_failures": {
        default(AutomationSettings, "max_consecutive_failures")
    },
    "automation.AutomationDefinition": {MAX_BYTES, MAX_OBJECT_DEPTH},
    "automation.AutomationDefinition.metadata": {MAX_TAGS, 64},
    "automation.AutomationService.BackfillSlots": {backfill.MAX_SLOTS, backfill.MAX_WAITING},
    "automation.AutomationService.ListRuns": {
        default(AutomationSettings, "run_retention_days"),
        default(AutomationSettings, "runs_kept"),
    },
    "automation.AutomationService.ListSlots": {
        default(AutomationSettings, "slot_retention_days"),
        default(AutomationSettings, "slots_kept"),
    },
    "automation.AutomationService.RotateWebhookSecret": {secrets.OVERLAP // timedelta(hours=1)},
    "automation.AutomationService.SkipNextSlot": {slot_skips.MAX_SKIPS},
    "automation.AutomationService.WatchRun": {
        default(AutomationSettings, "event_retention_days"),
        default(AutomationSettings, "events_kept"),
    },
    "automation.BackfillSlotsRequest.end_time": {backfill.MAX_SLOTS},
    "automation.CreateAutomationRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.Delivery": {
        len(outbox_worker.RETRY_DELAYS) + 1,
        default(AutomationSettings, "run_retention_days"),
        default(AutomationSettings, "runs_kept"),
    },
    "automation.Delivery.attempts": {deliveries.MAX_ATTEMPTS_SHOWN},
    "automation.Delivery.body": {deliver.MAX_BODY},
    "automation.Delivery.subject": {deliver.MAX_SUBJECT},
    "automation.CreateDestinationRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.Destination.consecutive_failures": {delivery_target.MAX_FAILURES},
    "automation.Destination.secret_hint": {
        destination_settings.HINT,
        destination_settings.HINTED_FROM,
    },
    "automation.DestinationService.CreateDestination": {destinations.MAX_DESTINATIONS_OF_PERSON},
    "automation.EnableDestinationRequest.send_missed": {deliveries.MAX_MISSED},
    "automation.DestinationService.TestDestination": {
        verification_code.CODE_LENGTH,
        verification_code.CODE_LIFE // timedelta(minutes=1),
        verification.MAX_OF_DESTINATION,
        verification.MAX_OF_PERSON,
    },
    "automation.ExecutionBlock.concurrency": {slot_decision.MAX_WAITING},
    "automation.ExecutionBlock.max_retries": {ExecutionBlock().max_retries},
    "automation.ExecutionBlock.on_failure": {ON_FAILURE_SECONDS},
    "automation.ExecutionBlock.retry_backoff": {60, 5},  # test_retry.py has each wait
    "automation.ExecutionBlock.timeout_seconds": {ExecutionBlock().timeout_seconds},
    "automation.InboxItem": {
        default(AutomationSettings, "read_inbox_item_retention_days"),
        default(AutomationSettings, "unread_inbox_item_retention_days"),
        default(AutomationSettings, "inbox_items_kept"),
    },
    "automation.InboxItem.body": {deliver.MAX_BODY},
    "automation.InboxItem.snippet": {MAX_SNIPPET},
    "automation.InboxItem.subject": {deliver.MAX_SUBJECT},
    "automation.MarkInboxItemsRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.PauseAutomationRequest.resume_time": {LONGEST_PAUSE // DAY},
    "automation.PlanStep.config": {
        MAX_TEMPLATES,
        MAX_INSIDE,
        MAX_PROMPT,
        MAX_RENDERED_PROMPT,
        MAX_TOOLS,
        deliver.MAX_DESTINATIONS_OF_STEP,
        deliver.MAX_SUBJECT,
        deliver.MAX_SUBJECT_TEMPLATE,
        deliver.MAX_BODY_TEMPLATE,
        deliver.MAX_BODY,
    },
    "automation.NoticeSettings.approval_delay": {
        int(APPROVAL_DELAY.total_seconds()),
        int(convert_notice_settings.LONGEST_APPROVAL_DELAY.total_seconds()),
    },
    "automation.NoticeSettings.failure_interval": {
        int(FAILURE_INTERVAL.total_seconds()),
        int(convert_notice_settings.LONGEST_FAILURE_INTERVAL.total_seconds()),
    },
    "automation.PreviewScheduleRequest.count": {ledger.DEFAULT_COUNT, ledger.LARGEST_COUNT},
    "automation.PreviewScheduleResponse.slots": {ledger.PREVIEW_SPAN // DAY // 366},
    "automation.PushoverSettings.app_token": {30},
    "automation.PushoverSettings.user_key": {30},
    "automation.RotateWebhookSecretRequest.revoke_previous": {
        secrets.OVERLAP // timedelta(hours=1)
    },
    "automation.Run.output_snippet": {MAX_SNIPPET},
    "automation.RetryDeliveryRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.StepResult.output": {MAX_OUTPUT_BYTES},
    "automation.StepResult.session_expire_time": {SESSION_RETENTION // DAY},
    "automation.TriggerSpec.config": {LONGEST_STEP // DAY, MOST_EXCLUDED},
    "automation.UpdateNoticeSettingsRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.UpdateWebhookRequest.request_id": {
        default(AutomationSettings, "request_retention_days")
    },
    "automation.WebhookSettings.signing_secret": {24, 64},
    # Codes of HTTP, and the year of its seconds.
    "automation.Webhook": {
        *(200, 299, 410, 1970),
        int(sender.TIMEOUT_SECONDS),
        len(outbox_worker.RETRY_DELAYS) + 1,
    },
    "automation.Webhook.disabled": {410},
    "automation.Webhook.secret": {secrets.SECRET_BYTES},
    "automation.WebhookDelivery": {default(AutomationSettings, "delivery_retention_days")},
    "chat.Approval.expire_time": {default(ChatSettings, "approval_days")},
    "chat.Approval.summary": {approved_action.MAX_SUMMARY},
    "chat.ChatService.CreateModelConfig": {model_configs.MAX_MODELS},
    "chat.ChatService.TestModelConfig": {model_probe.MOST_CALLS, int(model_probe.MOST_SECONDS)},
    "chat.ChatService.WatchTurn": {default(ChatSettings, "frames_kept_hours")},
    "chat.CreateModelConfigRequest.request_id": {KEPT},
    "chat.CreateThreadRequest.request_id": {KEPT},
    "chat.Image": {user_message.LARGEST, user_message.LARGEST_TOGETHER, user_message.MOST},
    "chat.ModelConfig.context_tokens": {CONTEXT_TOKENS},
    "chat.ModelConfig.extra_headers": {
        request_options.MAX_HEADERS,
        request_options.MAX_HEADER_CHARACTERS,
        2_000,  # of the pattern of a value
    },
    "chat.ModelConfig.key_hint": {model_configs._HINT, model_configs._HINTED_FROM},
    "chat.Preview.slots": {preview.SHOWN, backfill_card.MAX_SLOTS},
    "chat.RequestSettings.extra_body": {request_options.MAX_BODY_BYTES},
    "chat.SendMessageRequest": {LARGEST_MESSAGE},
    "chat.SendMessageRequest.locale": {47},  # BCP 47
    "chat.SendMessageRequest.request_id": {KEPT},
    "chat.Step": {MAX_LINES},
    "chat.Thread.Kind.TASK": {SESSION_RETENTION // DAY},
    "errors.ErrorReason.REQUEST_TOO_LARGE": {413, REQUEST_BYTES, LARGEST_MESSAGE},
    "errors.ErrorReason.MODEL_UNAVAILABLE": {
        provider_cause.MAX_CODE,
        provider_cause.MAX_PARAMETER,
    },
    "agent.TaskProgress.title": {200},  # test_tasks.py
}
# Whose form the comment shows, or which nobody writes by hand.
FORMS: Final = re.compile(r"(^|_)(name|parent|etag|page_token|filter|digest|version|workspace)$")
NUMBER: Final = re.compile(r"(?<![\w.\-/:^])(\d[\d,]*(?:\.\d)?)( KiB| MiB)?\b(?!\^)")
QUOTED: Final = re.compile(r'`[^`]*`|"[^"]*"|\(2020-12\)|SHA-256|HMAC-SHA256|RFC \d+')
UNITS: Final = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def numbers(comment: str) -> set[int]:
    """The numbers of a comment above 1, in bytes if they have a unit."""
    found = NUMBER.findall(QUOTED.sub("", comment))
    told = {int(float(number.replace(",", "")) * UNITS[unit.strip()]) for number, unit in found}
    return {number for number in told if number > 1}


def limits(field: FieldDescriptor) -> set[int]:
    """The numbers above 1 in the rules of a field. A pattern's are lengths."""
    return {int(number) for number in _limits(contract.rules(field)) if int(number) > 1}


def _limits(rules: Message) -> Iterator[float]:
    for rule, value in rules.ListFields():
        if isinstance(value, Message):
            yield from _limits(value)
        elif rule.name == "pattern":
            yield from _lengths(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield value


def _lengths(pattern: str) -> Iterator[int]:
    """Of `[a-z]{0,20}`; characters that stand alone beside it count too."""
    alone = len(re.findall(r"\](?![{*+?])", pattern))
    for most in re.findall(r"\{(?:\d+,)?(\d+)\}", pattern):
        yield int(most) + alone


def test_a_number_in_a_comment_is_held() -> None:
    fields = {field.full_name: field for field in contract.fields()}
    odd = {}
    for name, comment in contract.comments().items():
        said, known = numbers(comment), OF_THE_CODE.get(contract.shortened(name), set())
        held = limits(fields[name]) if name in fields else set()
        known = known or OF_EVERY_LIST.get(name.rpartition(".")[2], set())
        if not known <= said <= held | known:
            odd[name] = (said - held - known, known - said)
    assert odd == {}


def test_what_the_table_has_is_in_the_contract() -> None:
    assert set(OF_THE_CODE) <= {contract.shortened(name) for name in contract.comments()}


def test_a_limit_is_told() -> None:
    """In the comment on the field, or on its message."""
    untold = {
        contract.short(field)
        for field in contract.fields()
        if (held := limits(field))
        and not contract.reference(field)
        and "OUTPUT_ONLY" not in contract.behaviours(field)
        and not FORMS.search(field.name)
        and not held & numbers(contract.comments()[field.full_name])
    }
    assert untold == {
        # The one length that the service takes is told, which is less.
        "automation.PushoverSettings.app_token",
        "automation.PushoverSettings.user_key",
        # Ids that come from elsewhere: a longer one is none.
        "agent.RunTaskRequest.session_id",
        "agent.RunTaskRequest.time_zone",
        "automation.CreateTriggerRequest.trigger_id",
        "automation.PlanStep.action",
        "automation.Trigger.type",
        "automation.TriggerSpec.type",
        "chat.SendMessageRequest.time_zone",
        "notice.ApprovalRequested.action_type",
    }


def test_numbers_are_read_as_people_read_them() -> None:
    said = "At most 1,000 of 16 KiB and 3.5 MiB, 2 or more; `12`, 2^53-1 and SHA-256 aside."
    assert numbers(said) == {1_000, 16 << 10, 3_670_016, 2}
