"""The webhook of a workspace: each call's success and documented refusals."""

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import webhook_pb2 as wp

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id

M: Final = "AutomationService/"
STATE: Final = wp.WebhookDelivery.State


def _changing(stage: Stage, *paths: str, request_id: str = "", **fields: Any) -> Any:
    fields = {"uri": "http://127.0.0.1:1/", **fields}
    return wp.UpdateWebhookRequest(
        webhook=wp.Webhook(name=stage.webhook, **fields),
        update_mask=FieldMask(paths=paths),
        request_id=request_id,
    )


def _elsewhere(request: Any) -> None:
    request.webhook.uri = "http://127.0.0.1:2/"


def _revoking(request: Any) -> None:
    request.revoke_previous = True


WEBHOOK_ROWS: Final[list[Row]] = [
    ok(
        f"{M}GetWebhook",
        lambda s: wp.GetWebhookRequest(name=s.webhook),
        lambda w: (w.uri, w.secret) == ("http://127.0.0.1:1/", ""),
    ),
    ok(
        f"{M}UpdateWebhook",
        lambda s: _changing(s, "event_types", event_types=["run.failed"]),
        lambda w: list(w.event_types) == ["run.failed"] and not w.secret,
    ),
    again(f"{M}UpdateWebhook", lambda s: _changing(s, request_id=new_id()), _elsewhere),
    refused(f"{M}UpdateWebhook", "ETAG_MISMATCH", lambda s: _changing(s, etag="stale")),
    refused(f"{M}UpdateWebhook", "INVALID_REQUEST", lambda s: _changing(s, "etag"), "update_mask"),
    refused(
        f"{M}UpdateWebhook",
        "INVALID_REQUEST",
        lambda s: _changing(s, uri="ftp://example.org/"),
        "webhook.uri",
    ),
    ok(
        f"{M}RotateWebhookSecret",
        lambda s: wp.RotateWebhookSecretRequest(name=s.webhook),
        lambda w: w.secret.startswith("whsec_") and w.HasField("previous_secret_expire_time"),
    ),
    again(
        f"{M}RotateWebhookSecret",
        lambda s: wp.RotateWebhookSecretRequest(name=s.webhook, request_id=new_id()),
        _revoking,
    ),
    refused(
        f"{M}RotateWebhookSecret",
        "ETAG_MISMATCH",
        lambda s: wp.RotateWebhookSecretRequest(name=s.webhook, etag="stale"),
    ),
    ok(
        f"{M}TestWebhook",
        lambda s: wp.TestWebhookRequest(name=s.webhook),
        lambda d: (d.event_type, d.state) == ("webhook.test", STATE.PENDING),
    ),
    ok(
        f"{M}GetWebhookDelivery",
        lambda s: wp.GetWebhookDeliveryRequest(name=s.delivery.name),
        lambda d: d.subject == d.name.partition("/deliveries/")[0] and d.body,
    ),
    ok(
        f"{M}ListWebhookDeliveries",
        lambda s: wp.ListWebhookDeliveriesRequest(parent=s.delivery.name.rsplit("/", 2)[0]),
        lambda page: page.webhook_deliveries and not page.webhook_deliveries[0].body,
    ),
    refused(
        f"{M}ListWebhookDeliveries",
        "INVALID_REQUEST",
        lambda s: wp.ListWebhookDeliveriesRequest(parent=s.webhook, filter="state = LOST"),
        "filter",
    ),
]
