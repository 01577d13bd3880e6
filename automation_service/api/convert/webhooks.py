"""Conversion of webhooks and their messages to and from protobuf."""

from typing import Any

from rota.automation.v1 import webhook_pb2 as pb

from automation_service.persistence.outbox.webhook_deliveries import WebhookDelivery
from automation_service.persistence.webhooks import Webhook
from shared.aip import is_whole, require_same, resolve_mask
from shared.rpc.messages.timestamps import to_timestamp

_CHANGED = ("uri", "event_types", "disabled", "include_output")


def webhook(found: Webhook, *, etag: str, secret: str = "", payload_digest: str = "") -> pb.Webhook:
    return pb.Webhook(
        name=found.resource,
        uri=found.uri,
        event_types=found.event_types,
        disabled=found.disabled,
        disabled_reason=found.disabled_reason,
        include_output=found.include_output,
        secret=secret,
        secret_create_time=to_timestamp(found.secret_create_time),
        previous_secret_expire_time=to_timestamp(found.previous_secret_expire_time),
        create_time=to_timestamp(found.create_time),
        update_time=to_timestamp(found.update_time),
        etag=etag,
        payload_digest=payload_digest,
    )


def webhook_values(message: pb.Webhook, mask: list[str]) -> dict[str, Any]:
    """Returns the fields that an update changes, by name.

    Raises InvalidRequest for a secret, which the service makes.
    """
    if message.secret and is_whole(mask):
        require_same("webhook.secret", message.secret, "", by="RotateWebhookSecret")
    present = [name for name in _CHANGED if _is_present(message, name)]
    values: dict[str, Any] = {
        "uri": message.uri,
        "event_types": list(message.event_types),
        "disabled": message.disabled,
        "include_output": message.include_output,
    }
    changed = resolve_mask(
        mask,
        allowed=_CHANGED,
        present=present,
        prefix="webhook",
        kind=pb.Webhook,
        calls={"secret": "RotateWebhookSecret"},
    )
    return {name: values[name] for name in changed}


def delivery(found: WebhookDelivery, *, full: bool = True) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        name=found.resource,
        event_type=found.event_type,
        subject=found.subject,
        body=found.body if full else "",
        state=found.status.name,
        attempts=found.attempts,
        status_code=found.status_code,
        error=found.error,
        create_time=to_timestamp(found.create_time),
        next_attempt_time=to_timestamp(found.next_attempt_time),
        end_time=to_timestamp(found.end_time),
    )


def _is_present(message: pb.Webhook, name: str) -> bool:
    if name in ("disabled", "include_output"):
        return message.HasField(name)
    return bool(getattr(message, name))
