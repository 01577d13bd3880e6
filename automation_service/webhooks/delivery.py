"""Delivery of messages to webhooks: at least once, under one id, for about a day."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.channels.answer import FAULT, ChannelAnswer
from automation_service.channels.kinds.webhook import build_signed_headers
from automation_service.outbox_worker import LEASE, RETRY, OutboxWorker
from automation_service.persistence import webhooks
from automation_service.persistence.enums import WebhookDeliveryStatus
from automation_service.persistence.outbox import webhook_deliveries as rows
from automation_service.persistence.outbox.webhook_deliveries import WebhookDelivery
from automation_service.persistence.webhooks import Webhook
from automation_service.webhooks.secrets import WebhookSecrets
from automation_service.webhooks.sender import WebhookSender
from shared import errors, resources
from shared.db import database
from shared.security.egress import look_up_for
from shared.telemetry import logs, metrics

# Messages in progress of a workspace: a slow endpoint delays only its own.
MAX_PER_WORKSPACE: Final = 4

TURNED_OFF: Final = "the webhook was turned off"
GONE: Final = "Its endpoint answered 410: it is gone."

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class WebhookDeliveryWorker(OutboxWorker[WebhookDelivery]):
    secrets: WebhookSecrets
    sender: WebhookSender = field(default_factory=WebhookSender)

    async def prepare(self) -> None:
        """Encrypts the secrets of older keys anew."""
        try:
            if count := await self.secrets.reencrypt(self.db):
                log.info("webhook_secrets_resealed", count=count)
        except errors.EncryptionUnavailable:
            return  # without a key there are no secrets
        except Exception as error:  # noqa: BLE001 - the next try may succeed
            database.log_fault(log, "reseal_failed", error)

    async def claim(
        self, connection: AsyncConnection, now: datetime, *, lanes: int, busy: Collection[Hashable]
    ) -> Sequence[WebhookDelivery]:
        return await rows.claim_due(
            connection,
            now,
            lease=LEASE,
            per_workspace=MAX_PER_WORKSPACE,
            workspaces=lanes,
            busy=[str(workspace) for workspace in busy],
        )

    def find_lane(self, message: WebhookDelivery) -> str:
        return message.workspace

    async def find_oldest(self, connection: AsyncConnection) -> datetime | None:
        return await rows.find_oldest_pending(connection)

    def set_age(self, seconds: float) -> None:
        metrics.set_gauge("rota.webhook.oldest", seconds)

    async def send(self, message: WebhookDelivery) -> None:
        async with self.db.connect() as connection:
            webhook = await webhooks.get(connection, message.workspace)
        if not webhook.is_active:
            await self._end(message, WebhookDeliveryStatus.FAILED, ChannelAnswer(error=TURNED_OFF))
            return
        response = await self._send_signed(webhook, message)
        if response.is_success:
            await self._end(message, WebhookDeliveryStatus.DELIVERED, response)
        elif response.is_gone:
            await self._turn_off(webhook, message, response)
        else:
            await self._store_failure(message, response)

    async def store_fault(self, message: WebhookDelivery) -> None:
        await self._store_failure(message, ChannelAnswer(error=FAULT))

    async def _store_failure(self, tried: WebhookDelivery, response: ChannelAnswer) -> None:
        if (wait := RETRY.backoff(tried.attempts, response.retry_after)) is None:
            await self._end(tried, WebhookDeliveryStatus.FAILED, response)
        else:
            await self._postpone(tried, response, self.clock.now() + wait)

    async def _send_signed(self, webhook: Webhook, tried: WebhookDelivery) -> ChannelAnswer:
        now = self.clock.now()
        try:
            secrets = self.secrets.list_active(webhook, now)
        except errors.EncryptionUnavailable:
            log.error("webhook_secret_unreadable", webhook=webhook.resource)
            return ChannelAnswer(error="its secret can't be read")
        body = tried.body.encode()
        headers = build_signed_headers(tried.id, body, secrets, seconds=int(now.timestamp()))
        with look_up_for(resources.WORKSPACE.format(workspace=tried.workspace)):
            return await self.sender.send(webhook.uri, body, headers)

    async def _end(
        self, tried: WebhookDelivery, status: WebhookDeliveryStatus, response: ChannelAnswer
    ) -> None:
        async with database.transaction(self.db) as connection:
            ended = await rows.end(
                connection,
                tried,
                status=status,
                status_code=response.status_code,
                error=response.error,
                now=self.clock.now(),
            )
        _log_attempt(tried, status.value, response)
        delivered = status is WebhookDeliveryStatus.DELIVERED
        count_deliveries("delivered" if delivered else "given_up", int(ended))

    async def _postpone(
        self, tried: WebhookDelivery, response: ChannelAnswer, until: datetime
    ) -> None:
        async with database.transaction(self.db) as connection:
            written = await rows.postpone(
                connection,
                tried,
                status_code=response.status_code,
                error=response.error,
                until=until,
            )
        _log_attempt(tried, "put_off", response)
        count_deliveries("retried", int(written))

    async def _turn_off(
        self, sent: Webhook, tried: WebhookDelivery, response: ChannelAnswer
    ) -> None:
        now, others = self.clock.now(), 0
        async with database.transaction(self.db) as connection:
            webhook = await webhooks.get(connection, tried.workspace, lock=True)
            ended = await rows.end(
                connection,
                tried,
                status=WebhookDeliveryStatus.FAILED,
                status_code=response.status_code,
                error=response.error,
                now=now,
            )
            # Unless the webhook has another uri meanwhile.
            if webhook.uri == sent.uri and not webhook.disabled:
                await webhooks.disable(connection, tried.workspace, GONE, now)
                others = await rows.fail_pending(connection, tried.workspace, TURNED_OFF, now)
        _log_attempt(tried, "turned_off", response)
        count_deliveries("given_up", int(ended) + others)


def count_deliveries(
    outcome: Literal["delivered", "retried", "given_up"], messages: int = 1
) -> None:
    """Counts `retried` for each failed attempt, the others once for each message."""
    if messages:
        metrics.count("rota.webhook.deliveries", messages, outcome=outcome)


def _log_attempt(tried: WebhookDelivery, became: str, response: ChannelAnswer) -> None:
    log.info(
        "delivery_tried",
        delivery=str(tried.id),
        event_type=tried.event_type,
        attempt=tried.attempts,
        became=became,
        status_code=response.status_code,
    )
