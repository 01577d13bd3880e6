"""Calls on the webhook of a workspace, and waiting for what becomes of its messages."""

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import webhook_pb2 as wp

from automation_service.persistence.outbox.webhook_deliveries import MAX_PENDING
from shared.security.secretbox import new_key
from tests.support.servers.receiver import Receiver
from tests.support.system.automation import Running, execute, until

NAME: Final = "workspaces/w/webhook"
State = wp.WebhookDelivery.State
# Secrets can be kept, and messages may go to loopback.
KEY: Final = new_key()
SETTINGS: Final[dict[str, Any]] = {
    "secret_keys": KEY,
    "local_webhooks": True,
    "local_destinations": True,
}


def name_of(rota: Running) -> str:
    """The webhook of the workspace that is called in."""
    return f"{rota.parent}/webhook"


async def update(
    rota: Running, *mask: str, request_id: str = "", validate_only: bool = False, **fields: Any
) -> Any:
    request = wp.UpdateWebhookRequest(
        webhook=wp.Webhook(name=name_of(rota), **fields),
        update_mask=FieldMask(paths=mask),
        request_id=request_id,
        validate_only=validate_only,
    )
    return await rota.call("UpdateWebhook", request)


async def get(rota: Running) -> Any:
    return await rota.call("GetWebhook", wp.GetWebhookRequest(name=name_of(rota)))


async def rotate(rota: Running, **fields: Any) -> Any:
    return await rota.call(
        "RotateWebhookSecret", wp.RotateWebhookSecretRequest(name=name_of(rota), **fields)
    )


async def try_it(rota: Running, **fields: Any) -> Any:
    return await rota.call("TestWebhook", wp.TestWebhookRequest(name=name_of(rota), **fields))


async def crowd(rota: Running) -> None:
    """Has as many messages wait as may, all like the one that does."""
    like = "workspace_id, event_type, subject, body, status, attempts, error, create_time"
    await execute(
        rota.url,
        f"insert into webhook_deliveries (id, next_attempt_time, {like})"
        f" select gen_random_uuid(), next_attempt_time, {like}"
        f" from webhook_deliveries, generate_series(2, {MAX_PENDING})",
    )


async def delivery(rota: Running, name: str) -> Any:
    return await rota.call("GetWebhookDelivery", wp.GetWebhookDeliveryRequest(name=name))


async def listed(rota: Running, filter_: str = "", **fields: Any) -> Any:
    request = wp.ListWebhookDeliveriesRequest(parent=name_of(rota), filter=filter_, **fields)
    return await rota.call("ListWebhookDeliveries", request)


async def ended(rota: Running, name: str) -> Any:
    async def over() -> Any:
        found = await delivery(rota, name)
        return found if found.state != State.PENDING else None

    return await until(over)


async def tried(rota: Running, name: str, times: int) -> Any:
    """Once the outcome of a try is written down, which moves the time of the next one."""

    async def done() -> Any:
        found = await delivery(rota, name)
        return found if found.attempts >= times and found.error else None

    return await until(done)


async def count(url: str) -> int:
    [row] = await execute(url, "select count(*) as n from webhook_deliveries")
    return int(row["n"])


async def received(endpoint: Receiver, count: int) -> bool:
    return len(endpoint.received) >= count
