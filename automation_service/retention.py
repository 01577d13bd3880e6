"""What is no longer kept is taken away, a little at a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import retention as rows
from shared.clock import Clock
from shared.db import database
from shared.telemetry import logs

BATCH: Final = 500
OWNERS: Final = 200
# Between batches, so that a large sweep never crowds out what fires.
REST_SECONDS: Final = 0.02

log = logs.logger(__name__)

Take = Callable[[AsyncConnection], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long, and how many of one automation."""

    slots: timedelta = timedelta(days=90)
    most_slots: int = 100_000
    runs: timedelta = timedelta(days=90)
    most_runs: int = 10_000
    events: timedelta = timedelta(days=7)
    requests: timedelta = timedelta(days=30)
    audits: timedelta = timedelta(days=400)
    deliveries: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Any number of replicas may sweep at once."""

    store: AsyncEngine
    clock: Clock
    kept: Kept = field(default_factory=Kept)

    async def run(self, stop: asyncio.Event, seconds: float) -> None:
        while not stop.is_set():
            try:
                await self.sweep(stop)
            except Exception as error:
                if database.translate(error) is None:
                    log.error("retention_failed", exc_info=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)

    async def sweep(self, stop: asyncio.Event | None = None) -> dict[str, int]:
        """Takes away all that is to go, and says how much of what."""
        stop = stop or asyncio.Event()
        taken = {name: await self._all(take, stop) for name, take in self._by_age().items()}
        for name, count in (await self._by_count(stop)).items():
            taken[name] += count
        if any(taken.values()):
            log.info("retention_swept", **taken)
        return taken

    def _by_age(self) -> dict[str, Take]:
        now, kept = self.clock.now(), self.kept
        return {
            "runs": partial(rows.runs_before, moment=now - kept.runs, limit=BATCH),
            "events": partial(rows.events_of_runs_before, moment=now - kept.events, limit=BATCH),
            "slots": partial(rows.slots_before, moment=now - kept.slots, limit=BATCH),
            "requests": partial(rows.requests_before, moment=now - kept.requests, limit=BATCH),
            "audits": partial(rows.audits_before, moment=now - kept.audits, limit=BATCH),
            "deliveries": partial(
                rows.deliveries_before, moment=now - kept.deliveries, limit=BATCH
            ),
            "gaps": partial(rows.gaps_before, moment=now - kept.slots, limit=BATCH),
        }

    async def _by_count(self, stop: asyncio.Event) -> dict[str, int]:
        taken = {"runs": 0, "slots": 0}
        after = None
        while not stop.is_set():
            async with self.store.connect() as connection:
                owners = await rows.next_automations(connection, after, OWNERS)
            if not owners:
                break
            after = owners[-1]
            most_runs, most_slots = self.kept.most_runs, self.kept.most_slots
            runs = partial(rows.runs_over, owners=owners, kept=most_runs, limit=BATCH)
            slots = partial(rows.slots_over, owners=owners, kept=most_slots, limit=BATCH)
            taken["runs"] += await self._all(runs, stop)
            taken["slots"] += await self._all(slots, stop)
        return taken

    async def _all(self, take: Take, stop: asyncio.Event) -> int:
        """Batch after batch, each a transaction, until nothing is left to take."""
        total = 0
        while not stop.is_set():
            async with database.transaction(self.store) as connection:
                taken = await take(connection)
            total += taken
            if taken == 0:
                break
            await asyncio.sleep(REST_SECONDS)
        return total
