"""Deletes expired rows in small batches."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import retention as rows
from automation_service.persistence.inbox import InboxOwner
from shared.aio import run_every
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs

BATCH: Final = 500
AUTOMATION_BATCH: Final = 200
# A pause between batches, so that a large deletion does not delay slots.
REST_SECONDS: Final = 0.02
DELAY_SECONDS: Final = 60.0

log = logs.logger(__name__)

DeleteBatch = Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long rows are kept, and how many for each automation and each inbox."""

    slots: timedelta = timedelta(days=90)
    max_slots: int = 100_000
    runs: timedelta = timedelta(days=90)
    max_runs: int = 10_000
    events: timedelta = timedelta(days=7)
    requests: timedelta = timedelta(days=30)
    audits: timedelta = timedelta(days=400)
    deliveries: timedelta = timedelta(days=30)
    read_items: timedelta = timedelta(days=30)
    unread_items: timedelta = timedelta(days=90)
    max_items: int = 2000  # of each member of a workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationRetention:
    """Any number of replicas may run one at the same time."""

    db: AsyncEngine
    clock: Clock
    policy: RetentionPolicy = field(default_factory=RetentionPolicy)
    batch: int = BATCH  # rows deleted in one transaction
    automation_batch: int = AUTOMATION_BATCH  # automations or inboxes that are counted at once

    async def run(self, stop: asyncio.Event, seconds: float) -> None:
        on_error = partial(database.log_fault, log, "retention_failed")
        await run_every(
            seconds,
            partial(self.delete_expired, stop),
            stop=stop,
            on_error=on_error,
            # A process that has just started serves first.
            delay=min(seconds, DELAY_SECONDS),
        )

    async def delete_expired(self, stop: asyncio.Event | None = None) -> dict[str, int]:
        """Deletes all expired rows. Returns how many of each kind."""
        stop = stop or asyncio.Event()
        deleted = await self._delete_by_age(stop)
        for name, count in (await self._delete_by_count(stop)).items():
            deleted[name] += count
        deleted["surplus_items"] = await self._delete_surplus_items(stop)
        if any(deleted.values()):
            log.info("retention_swept", **deleted)
        return deleted

    async def _delete_by_age(self, stop: asyncio.Event) -> dict[str, int]:
        now, policy = self.clock.now(), self.policy
        kinds = {
            "runs": (rows.delete_runs, policy.runs),
            "events": (rows.delete_events_of_runs, policy.events),
            "slots": (rows.delete_slots, policy.slots),
            "requests": (rows.delete_requests, policy.requests),
            "audits": (rows.delete_audits, policy.audits),
            "deliveries": (rows.delete_deliveries, policy.runs),
            "webhook_deliveries": (rows.delete_webhook_deliveries, policy.deliveries),
            "notices": (rows.delete_notices, policy.deliveries),
            "read_items": (rows.delete_read_items, policy.read_items),
            "unread_items": (rows.delete_unread_items, policy.unread_items),
            "gaps": (rows.delete_downtimes, policy.slots),
        }
        return {
            name: await self._delete_all(partial(delete, moment=now - age, limit=self.batch), stop)
            for name, (delete, age) in kinds.items()
        }

    async def _delete_by_count(self, stop: asyncio.Event) -> dict[str, int]:
        deleted = {"runs": 0, "slots": 0, "deliveries": 0}
        last: UUID | None = None
        while not stop.is_set():
            async with self.db.connect() as connection:
                owners = await rows.list_automations(connection, last, self.automation_batch)
            if not owners:
                break
            last = owners[-1]
            runs = partial(
                rows.delete_surplus_runs, owners=owners, kept=self.policy.max_runs, limit=self.batch
            )
            slots = partial(
                rows.delete_surplus_slots,
                owners=owners,
                kept=self.policy.max_slots,
                limit=self.batch,
            )
            deliveries = partial(
                rows.delete_surplus_deliveries,
                owners=owners,
                kept=self.policy.max_runs,
                limit=self.batch,
            )
            deleted["deliveries"] += await self._delete_all(deliveries, stop)
            deleted["runs"] += await self._delete_all(runs, stop)
            deleted["slots"] += await self._delete_all(slots, stop)
        return deleted

    async def _delete_surplus_items(self, stop: asyncio.Event) -> int:
        deleted = 0
        last: InboxOwner | None = None
        while not stop.is_set():
            async with self.db.connect() as connection:
                owners = await rows.list_members(connection, last, self.automation_batch)
            if not owners:
                break
            last = owners[-1]
            kept = self.policy.max_items
            delete = partial(rows.delete_surplus_items, owners=owners, kept=kept, limit=self.batch)
            deleted += await self._delete_all(delete, stop)
        return deleted

    async def _delete_all(self, delete: DeleteBatch, stop: asyncio.Event) -> int:
        """Deletes batch after batch, each in a transaction, until none is left."""
        total = 0
        while not stop.is_set():
            async with database.transaction(self.db) as connection:
                deleted = await delete(connection)
            total += deleted
            if deleted == 0:
                break
            await asyncio.sleep(REST_SECONDS)
        return total
