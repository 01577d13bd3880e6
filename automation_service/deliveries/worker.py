"""Sends deliveries: at least once, each under its id, for about a day."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.channels.answer import FAULT, ChannelAnswer
from automation_service.deliveries.failure_notice import record_delivery_failed
from automation_service.notices.places import return_to_inbox
from automation_service.outbox_worker import LEASE, RETRY, OutboxWorker
from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox import delivery_digests
from automation_service.persistence.outbox.deliveries import Delivery
from shared.db import database
from shared.telemetry import logs, metrics

# A slow destination delays no other, and those of a workspace none of another's.
MAX_PER_DESTINATION: Final = 2
MAX_PER_WORKSPACE: Final = 4
# How many deliveries may wait for one destination, and how many of the oldest beyond that are
# failed at a time.
MAX_WAITING: Final = 1_000
MAX_ENDED: Final = 1_000
TOO_MANY: Final = f"more than {MAX_WAITING:,} newer ones waited for the destination"

log = logs.logger(__name__)


class AttemptAnswer(Protocol):
    """What came of an attempt. `error` is empty when the recipient took the delivery.

    One that `is_permanent` is not repeated; nor is one of a recipient that `is_gone`.
    """

    @property
    def status_code(self) -> int: ...

    @property
    def error(self) -> str: ...

    @property
    def retry_after(self) -> timedelta: ...

    @property
    def is_permanent(self) -> bool: ...

    @property
    def is_gone(self) -> bool: ...


class Recipient(Protocol):
    async def send(self, delivery: Delivery) -> AttemptAnswer:
        """Makes one attempt. Every failure is an answer with an error."""
        ...

    async def record(
        self,
        connection: AsyncConnection,
        tried: Delivery,
        answer: AttemptAnswer,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Records what an attempt came to, in the transaction that stores it.

        `ends` says that no other attempt follows. False when whoever has the name now is not who
        was asked.
        """
        ...


class RecipientDirectory(Protocol):
    async def find(self, delivery: Delivery) -> Recipient:
        """Returns who takes a delivery. One that nobody takes has a recipient that refuses it."""
        ...


@dataclass(slots=True, kw_only=True)
class DeliveryWorker(OutboxWorker[Delivery]):
    recipients: RecipientDirectory

    async def claim(
        self, connection: AsyncConnection, now: datetime, *, lanes: int, busy: Collection[Hashable]
    ) -> Sequence[Delivery]:
        return await rows.claim_due(
            connection,
            now,
            lease=LEASE,
            per_destination=MAX_PER_DESTINATION,
            per_workspace=MAX_PER_WORKSPACE,
            destinations=lanes,
            busy=cast(Collection[tuple[str, str]], busy),
        )

    def find_lane(self, message: Delivery) -> tuple[str, str]:
        return message.workspace, message.destination

    async def end_surplus(self) -> None:
        async with self.db.connect() as connection:
            surplus = await rows.list_surplus(connection, MAX_WAITING, MAX_ENDED)
        for one in surplus:
            await self._store(one, ChannelAnswer.refused(TOO_MANY), None)

    async def find_oldest(self, connection: AsyncConnection) -> datetime | None:
        return await rows.find_oldest_waiting(connection)

    def set_age(self, seconds: float) -> None:
        metrics.set_gauge("rota.deliveries.oldest", seconds)

    async def send(self, message: Delivery) -> None:
        recipient = await self.recipients.find(message)
        await self._store(message, await recipient.send(message), recipient)

    async def store_fault(self, message: Delivery) -> None:
        await self._store(message, ChannelAnswer(error=FAULT), None)

    async def _store(
        self, tried: Delivery, answer: AttemptAnswer, recipient: Recipient | None
    ) -> None:
        """Stores what came of an attempt, and tells the recipient if it is known."""
        now = self.clock.now()
        wait = None
        if answer.error and not answer.is_permanent and not answer.is_gone:
            attempt = tried.attempts - tried.earlier_attempts
            wait = RETRY.backoff(attempt, answer.retry_after)
        state = DeliveryState.FAILED if answer.error else DeliveryState.SENT
        superseded = 0
        async with database.transaction(self.db) as connection:
            if wait is not None:
                state = DeliveryState.RETRYING
                stored = await rows.postpone(
                    connection,
                    tried,
                    status_code=answer.status_code,
                    error=answer.error,
                    until=now + wait,
                    now=now,
                )
            else:
                stored = await rows.end(
                    connection,
                    tried,
                    state=state,
                    status_code=answer.status_code,
                    error=answer.error,
                    now=now,
                )
            if stored and recipient is not None:
                is_known = await recipient.record(connection, tried, answer, now, ends=wait is None)
                if is_known and state is DeliveryState.SENT:
                    superseded = await rows.end_older(connection, tried, now)
                elif not is_known and tried.earlier_attempts:
                    await delivery_digests.forget(connection, tried.id)
            if stored and state is DeliveryState.FAILED:
                await record_delivery_failed(connection, tried, answer.error, now)
            if stored and wait is None and answer.error and tried.notice_ids:
                await return_to_inbox(
                    connection,
                    tried.notice_ids,
                    destination=tried.destination,
                    error=answer.error,
                    now=now,
                )
        log.info(
            "delivery_tried",
            delivery=str(tried.id),
            attempt=tried.attempts,
            became=state.value,
            status_code=answer.status_code,
        )
        if stored:
            metrics.count("rota.deliveries", outcome=state.value)
        if superseded:
            metrics.count("rota.deliveries", superseded, outcome=DeliveryState.FAILED.value)
