"""Time → pending runs."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.persistence import scheduler_heartbeats, triggers
from automation_service.persistence import slot_dispatch as rows
from automation_service.persistence.records import Automation, Trigger
from automation_service.queue import Engine
from automation_service.scheduling.dispatcher import (
    UNWRITABLE,
    Claimed,
    Decided,
    Dispatcher,
    recompute,
    say,
)
from automation_service.scheduling.slot_decision import Policy
from shared.clock import Clock
from shared.db import database
from shared.definition.states import AutomationStatus
from shared.schedule import zones
from shared.telemetry import logs, metrics

# How many triggers a transaction takes; others wait for its locks as long as it lasts.
BATCH: Final = 500
# Triggers that come due one shortly after the other are taken together.
GATHER_SECONDS: Final = 0.025
# Another replica's writes are seen within this.
RELOOK: Final = timedelta(seconds=1)
# How often rows of an older time zone database are looked for again.
REFRESH: Final = timedelta(hours=1)
# How often it is written down that a scheduler is at work, and what counts as a gap.
BEAT: Final = timedelta(seconds=5)
SILENCE: Final = timedelta(seconds=30)

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Fires what is due. Any number of replicas may run one."""

    store: AsyncEngine
    engine: Engine
    clock: Clock
    policy: Policy = field(default_factory=Policy)
    _dispatcher: Dispatcher = field(init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _beaten: datetime | None = field(default=None, init=False)
    _refreshing: bool = field(default=True, init=False)
    _refreshed: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)
    _refreshed_to: UUID | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._dispatcher = Dispatcher(engine=self.engine, policy=self.policy)

    def wake(self) -> None:
        """Makes it look again now: something was written."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        looking = asyncio.create_task(self._relook(stop))
        try:
            while not stop.is_set():
                try:
                    await self._round(stop)
                except Exception as error:
                    if database.translate(error) is None:
                        log.error("scheduler_failed", exc_info=error)
                    else:
                        log.warning("scheduler_lost_database")
                    await asyncio.sleep(0.5)
        finally:
            looking.cancel()

    async def fire_due(self, now: datetime) -> int:
        """Decides due slots of many triggers in one transaction; says of how many triggers."""
        ids: list[UUID] = []
        metrics.count("rota.ticks")
        try:
            async with database.transaction(self.store) as connection:
                claimed = await triggers.claim_due(connection, now, BATCH)
                ids = [trigger.id for _, trigger in claimed]
                decided = await self._decided(connection, claimed, now)
        except Exception as error:
            if not ids or _passes(error):
                raise
            log.warning("batch_failed", triggers=len(ids), exc_info=error)
            for trigger in ids:
                await self._fire_alone(trigger, now)
            return len(ids)
        say(decided)
        return len(ids)

    async def settle(self, connection: AsyncConnection, owner: Automation, now: datetime) -> None:
        """Decides what is due of one locked automation, before its state changes."""
        if owner.status is AutomationStatus.ARCHIVED:
            return
        held = owner.triggers
        if old := _older((owner.id, t) for t in held if t.next_fire_time):
            await recompute(connection, old, now)
            held = (await triggers.of_automations(connection, [owner.id])).get(owner.id, ())
        due = [
            (owner.id, trigger)
            for trigger in held
            if trigger.enabled and trigger.next_fire_time and trigger.next_fire_time <= now
        ]
        say(await self._dispatcher.fire(connection, due, now))

    async def refresh(self) -> int:
        """Computes again what an older time zone database computed: a batch, and how many."""
        async with database.transaction(self.store) as connection:
            claimed = await triggers.claim_computed_elsewhere(
                connection, zones.VERSION, BATCH, after=self._refreshed_to
            )
            if claimed:
                await recompute(connection, claimed, self.clock.now())
        if claimed:
            self._refreshed_to = claimed[-1][1].id
        return len(claimed)

    async def _keep_fresh(self) -> None:
        """One batch; after the last one a while passes: older replicas may still be writing."""
        now = self.clock.now()
        if not self._refreshing and timedelta(0) <= now - self._refreshed < REFRESH:
            return
        self._refreshing = await self.refresh() == BATCH
        if not self._refreshing:
            self._refreshed, self._refreshed_to = now, None

    async def _decided(
        self, connection: AsyncConnection, claimed: Claimed, now: datetime
    ) -> Decided:
        if old := _older(claimed):
            # Perhaps they are not due at all; the others come in the next round.
            await recompute(connection, old, now)
            return Decided()
        return await self._dispatcher.fire(connection, claimed, now)

    async def _fire_alone(self, trigger: UUID, now: datetime) -> None:
        """Fires a trigger of a batch that failed; the one at fault is disabled."""
        try:
            async with database.transaction(self.store) as connection:
                claimed = await triggers.claim_due(connection, now, 1, only=trigger)
                decided = await self._decided(connection, claimed, now)
        except Exception as error:
            if _passes(error):
                raise
            log.error("trigger_disabled", trigger=str(trigger), exc_info=error)
            async with database.transaction(self.store) as connection:
                await rows.disable(connection, [trigger], UNWRITABLE)
            return
        say(decided)

    async def _beat(self) -> None:
        now = self.clock.now()
        if self._beaten is not None and timedelta(0) <= now - self._beaten < BEAT:
            return
        async with database.transaction(self.store) as connection:
            gap = await scheduler_heartbeats.beat(connection, now, SILENCE)
        self._beaten = now
        if gap is not None:
            log.warning("scheduler_was_away", since=gap.start.isoformat(), now=gap.end.isoformat())

    async def _round(self, stop: asyncio.Event) -> None:
        self._woken.clear()
        if stop.is_set():
            return  # nobody wakes it again
        await self._beat()
        await self._keep_fresh()
        async with self.store.connect() as connection:
            due = await triggers.next_due(connection)
        now = self.clock.now()
        if due is not None and due <= now:
            await self._fire_all(stop)
        elif not self._refreshing:  # else what an older version computed may be due before
            await self.clock.wait_until(due or now + timedelta(days=1), self._woken)

    async def _fire_all(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            fired = await self.fire_due(self.clock.now())
            if fired < BATCH:
                # Nothing more is due, or another replica holds it.
                await asyncio.sleep(GATHER_SECONDS if fired else 2 * GATHER_SECONDS)
                return
            await self._beat()

    async def _relook(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RELOOK.total_seconds())
            self._woken.set()
        self._woken.set()


def _older(claimed: Iterable[tuple[UUID, Trigger]]) -> Claimed:
    """Those computed by an older time zone database, which are not to be fired by a newer one."""
    return [one for one in claimed if one[1].tzdata_version < zones.VERSION]


def _passes(error: Exception) -> bool:
    """Whether it is no fault of what was written, so that trying again may help."""
    if database.translate(error) is not None:
        return True
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    # transaction rollback, insufficient resources, operator intervention, system error
    return state.startswith(("40", "53", "55", "57", "58"))
