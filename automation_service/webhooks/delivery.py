"""Delivery of messages to webhooks: at least once, under one id, for about a day."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import webhooks
from automation_service.persistence.enums import WebhookDeliveryStatus
from automation_service.persistence.outbox import webhook_deliveries as rows
from automation_service.persistence.outbox.webhook_deliveries import WebhookDelivery
from automation_service.persistence.webhooks import Webhook
from automation_service.webhooks.secrets import WebhookSecrets
from automation_service.webhooks.sender import WebhookResponse, WebhookSender, build_signed_headers
from shared import errors
from shared.clock import Clock
from shared.db import database
from shared.retry import RetryPolicy, table
from shared.telemetry import logs, metrics

# The delays after each failed attempt. The message fails after the last.
RETRY_DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=5),
    timedelta(hours=6),
    timedelta(hours=6),
)
# Jitter, so that messages that failed together are not sent together again.
RETRY: Final = RetryPolicy(
    interval=table(*RETRY_DELAYS), maximum_attempts=len(RETRY_DELAYS) + 1, jitter=(1.0, 1.1)
)
# Longer than an attempt takes. After it another process sends the messages of a dead one.
LEASE: Final = timedelta(seconds=60)
# Messages in progress per workspace, and workspaces: a slow endpoint delays only its own.
MAX_PER_WORKSPACE: Final = 4
# How often the age of the oldest message is measured.
METRIC_INTERVAL: Final = timedelta(minutes=1)
MAX_WORKSPACES: Final = 20

TURNED_OFF: Final = "the webhook was turned off"
GONE: Final = "Its endpoint answered 410: it is gone."

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class WebhookDeliveryWorker:
    """Any number of replicas may run one at the same time."""

    db: AsyncEngine
    clock: Clock
    secrets: WebhookSecrets
    sender: WebhookSender = field(default_factory=WebhookSender)
    poll_interval: timedelta = timedelta(seconds=2)
    _sending: dict[str, set["asyncio.Task[None]"]] = field(default_factory=dict, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _measured_time: datetime | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Sends what is due until `stop` is set, and then cancels what is in progress."""
        await self._reencrypt_secrets()
        waker = asyncio.create_task(self._wake_at(stop))
        while not stop.is_set():
            self._woken.clear()
            try:
                await self.send_due()
                await self._measure()
            except Exception as error:  # noqa: BLE001 - the next try may succeed
                database.log_fault(log, "deliveries_failed", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self.poll_interval.total_seconds())
        waker.cancel()
        await self.wait_until_idle(cancel=True)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    async def send_due(self) -> int:
        """Starts to send due messages. Returns their number."""
        if len(self._sending) >= MAX_WORKSPACES:
            return 0
        async with database.transaction(self.db) as connection:
            claimed = await rows.claim_due(
                connection,
                self.clock.now(),
                lease=LEASE,
                per_workspace=MAX_PER_WORKSPACE,
                workspaces=MAX_WORKSPACES - len(self._sending),
                busy=self._sending,
            )
        for tried in claimed:
            self._start(tried)
        return len(claimed)

    async def wait_until_idle(self, *, cancel: bool = False) -> None:
        """Waits until no message is in progress. Cancelled messages are sent again later."""
        tasks = [task for held in self._sending.values() for task in held]
        if cancel:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _measure(self) -> None:
        now = self.clock.now()
        if (
            self._measured_time is not None
            and timedelta(0) <= now - self._measured_time < METRIC_INTERVAL
        ):
            return
        async with self.db.connect() as connection:
            since = await rows.find_oldest_pending(connection)
        age = max(now - since, timedelta(0)) if since else timedelta(0)
        metrics.set_gauge("rota.webhook.oldest", age.total_seconds())
        self._measured_time = now

    async def _reencrypt_secrets(self) -> None:
        try:
            if count := await self.secrets.reencrypt(self.db):
                log.info("webhook_secrets_resealed", count=count)
        except errors.EncryptionUnavailable:
            return  # without a key there are no secrets
        except Exception as error:  # noqa: BLE001 - the next try may succeed
            database.log_fault(log, "reseal_failed", error)

    def _start(self, tried: WebhookDelivery) -> None:
        task = asyncio.create_task(self._send(tried))
        held = self._sending.setdefault(tried.workspace, set())
        held.add(task)

        def done(ended: "asyncio.Task[None]") -> None:
            held.discard(ended)
            self._woken.set()  # another message of the workspace may wait
            if not held and self._sending.get(tried.workspace) is held:
                del self._sending[tried.workspace]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                # It is sent again after its lease.
                log.warning("delivery_interrupted", delivery=str(tried.id), exc_info=error)

        task.add_done_callback(done)

    async def _send(self, tried: WebhookDelivery) -> None:
        async with self.db.connect() as connection:
            webhook = await webhooks.get(connection, tried.workspace)
        if not webhook.is_active:
            await self._end(tried, WebhookDeliveryStatus.FAILED, WebhookResponse(error=TURNED_OFF))
            return
        response = await self._send_signed(webhook, tried)
        if response.is_success:
            await self._end(tried, WebhookDeliveryStatus.DELIVERED, response)
        elif response.is_gone:
            await self._turn_off(webhook, tried, response)
        elif (wait := RETRY.backoff(tried.attempts, response.retry_after)) is None:
            await self._end(tried, WebhookDeliveryStatus.FAILED, response)
        else:
            await self._postpone(tried, response, self.clock.now() + wait)

    async def _send_signed(self, webhook: Webhook, tried: WebhookDelivery) -> WebhookResponse:
        now = self.clock.now()
        try:
            secrets = self.secrets.list_active(webhook, now)
        except errors.EncryptionUnavailable:
            log.error("webhook_secret_unreadable", webhook=webhook.resource)
            return WebhookResponse(error="its secret can't be read")
        body = tried.body.encode()
        headers = build_signed_headers(tried.id, body, secrets, seconds=int(now.timestamp()))
        return await self.sender.send(webhook.uri, body, headers)

    async def _end(
        self, tried: WebhookDelivery, status: WebhookDeliveryStatus, response: WebhookResponse
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
        self, tried: WebhookDelivery, response: WebhookResponse, until: datetime
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
        self, sent: Webhook, tried: WebhookDelivery, response: WebhookResponse
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


def _log_attempt(tried: WebhookDelivery, became: str, response: WebhookResponse) -> None:
    log.info(
        "delivery_tried",
        delivery=str(tried.id),
        event_type=tried.event_type,
        attempt=tried.attempts,
        became=became,
        status_code=response.status_code,
    )
