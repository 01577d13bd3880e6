"""Time → pending runs."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service import firing, planning
from automation_service.engine import Engine
from automation_service.firing import Busy, Decision, Outcome, Policy
from automation_service.persistence import automations, beats, runs, slots, triggers
from automation_service.persistence.beats import Gap
from automation_service.persistence.records import Automation, Trigger
from shared import database, telemetry, zones
from shared.clock import Clock
from shared.definition import AutomationStatus

BATCH: Final = 50
# Another replica's writes are seen within this.
RELOOK: Final = timedelta(seconds=1)
# How often it is written down that a scheduler is at work, and what counts as a gap.
BEAT: Final = timedelta(seconds=5)
SILENCE: Final = timedelta(seconds=30)

log = telemetry.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Fires what is due. Any number of replicas may run one."""

    store: AsyncEngine
    engine: Engine
    clock: Clock
    policy: Policy = field(default_factory=Policy)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _beaten: datetime | None = field(default=None, init=False)
    _refreshing: bool = field(default=True, init=False)
    _refreshed_to: UUID | None = field(default=None, init=False)

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
        """Decides due slots of up to 50 triggers in one transaction; says how many triggers."""
        async with database.transaction(self.store) as connection:
            claimed = await triggers.claim_due(connection, now, BATCH)
            await self._each(connection, claimed, now, self._fire)
        return len(claimed)

    async def settle(self, connection: AsyncConnection, owner: Automation, now: datetime) -> None:
        """Decides what is due of one locked automation, before its state changes."""
        if owner.status is AutomationStatus.ARCHIVED:
            return
        for trigger in owner.triggers:
            if trigger.enabled and trigger.next_fire_time and trigger.next_fire_time <= now:
                await self._fire(connection, owner, trigger, now)

    async def refresh(self) -> int:
        """Computes again what an older time zone database computed: a batch, and how many."""
        async with database.transaction(self.store) as connection:
            claimed = await triggers.claim_computed_elsewhere(
                connection, zones.VERSION, BATCH, after=self._refreshed_to
            )
            await self._each(connection, claimed, self.clock.now(), self._recompute)
        if claimed:
            self._refreshed_to = claimed[-1][1].id
        return len(claimed)

    async def _beat(self) -> None:
        now = self.clock.now()
        if self._beaten is not None and timedelta(0) <= now - self._beaten < BEAT:
            return
        async with database.transaction(self.store) as connection:
            gap = await beats.beat(connection, now, SILENCE)
        self._beaten = now
        if gap is not None:
            log.warning("scheduler_was_away", since=gap.start.isoformat(), now=gap.end.isoformat())

    async def _round(self, stop: asyncio.Event) -> None:
        self._woken.clear()
        if stop.is_set():
            return  # nobody wakes it again
        await self._beat()
        if self._refreshing and await self.refresh() < BATCH:
            self._refreshing = False
        async with self.store.connect() as connection:
            due = await triggers.next_due(connection)
        now = self.clock.now()
        if self._refreshing and (due is None or due > now):
            return  # what an older version computed may be due before
        if due is None or due > now:
            await self.clock.wait_until(due or now + timedelta(days=1), self._woken)
        elif not await self.fire_due(now):
            await asyncio.sleep(0.05)  # another replica holds what is due

    async def _relook(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RELOOK.total_seconds())
            self._woken.set()
        self._woken.set()

    async def _each(
        self,
        connection: AsyncConnection,
        claimed: list[tuple[UUID, Trigger]],
        now: datetime,
        act: Callable[..., object],
    ) -> None:
        if not claimed:
            return
        owners: dict[UUID, Automation | None] = {}
        await automations.lock_many(connection, sorted({owner for owner, _ in claimed}))
        for owner_id, trigger in claimed:
            if owner_id not in owners:
                owners[owner_id] = await automations.find_by_id(connection, owner_id)
            if (owner := owners[owner_id]) is not None:
                await act(connection, owner, trigger, now)  # type: ignore[misc]

    async def _fire(
        self, connection: AsyncConnection, owner: Automation, trigger: Trigger, now: datetime
    ) -> None:
        active = await runs.active(connection, owner.id)
        busy = Busy(waiting=active.waiting, running=active.running, first=active.first)
        gaps = await self._gaps(connection, trigger, now)
        try:
            outcome = firing.decide(owner, trigger, busy, self.policy, now, gaps)
        except Exception as error:  # noqa: BLE001 - one bad row stops nobody else
            await self._disable(connection, trigger, error)
            return
        await self._record(connection, owner, trigger, outcome, now)

    async def _gaps(
        self, connection: AsyncConnection, trigger: Trigger, now: datetime
    ) -> Sequence[Gap]:
        due = trigger.next_fire_time
        if due is None or now - due <= self.policy.on_time:
            return ()
        return await beats.gaps_after(connection, due)

    async def _record(
        self,
        connection: AsyncConnection,
        owner: Automation,
        trigger: Trigger,
        outcome: Outcome,
        now: datetime,
    ) -> None:
        rows = [(d, firing.slot_row(owner.id, trigger, d, now)) for d in outcome.decisions]
        fresh = await slots.add(connection, [row for _, row in rows])
        wakes: list[UUID] = []
        for decision, row in rows:
            if decision.run is None or decision.slot.slot_time not in fresh:
                continue
            await runs.add(connection, decision.run)
            await slots.set_run(connection, row["id"], decision.run["id"])
            if decision.wakes:
                wakes.append(decision.run["id"])
        await self.engine.wake(connection, wakes)
        await triggers.change(connection, trigger.id, outcome.trigger)
        _say(owner, trigger, outcome.decisions)

    async def _recompute(
        self, connection: AsyncConnection, owner: Automation, trigger: Trigger, now: datetime
    ) -> None:
        try:
            spec = next(
                t for t in owner.definition["triggers"] if t["trigger_id"] == trigger.trigger_id
            )
            due = planning.next_fire_time(
                planning.config_of(spec["config"]),
                str(trigger.id),
                trigger.decided_until,
                fires=trigger.fires,
            )
        except Exception as error:  # noqa: BLE001 - one bad row stops nobody else
            await self._disable(connection, trigger, error)
            return
        await triggers.change(
            connection, trigger.id, {"next_fire_time": due, "tzdata_version": zones.VERSION}
        )

    async def _disable(
        self, connection: AsyncConnection, trigger: Trigger, error: Exception
    ) -> None:
        log.error("trigger_disabled", trigger=str(trigger.id), exc_info=error)
        await triggers.change(
            connection,
            trigger.id,
            {
                "enabled": False,
                "next_fire_time": None,
                "disabled_reason": "Its definition can't be read; save it again to enable it.",
            },
        )


def _say(owner: Automation, trigger: Trigger, decisions: list[Decision]) -> None:
    for decision in decisions:
        log.info(
            "slot_decided",
            automation=owner.resource,
            trigger=trigger.trigger_id,
            slot_time=decision.slot.slot_time.isoformat(),
            outcome=decision.outcome.value,
            run=str(decision.run["id"]) if decision.run else None,
        )
