"""Due triggers → their slots and runs, many triggers in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service import definitions
from automation_service.persistence import scheduler_heartbeats
from automation_service.persistence import slot_dispatch as rows
from automation_service.persistence.records import Trigger
from automation_service.persistence.scheduler_heartbeats import Gap
from automation_service.persistence.slot_dispatch import Active, Advance, Owner, SlotRow
from automation_service.queue import Engine
from automation_service.scheduling import slot_decision, triggers, tzdata_change
from automation_service.scheduling.slot_decision import Decision, Outcome, Policy
from shared.schedule import zones
from shared.telemetry import logs, metrics

# A transaction ends with the trigger that reaches this many slots: others wait for its locks.
MOST_SLOTS: Final = 1_000
# After so many triggers whoever else runs in this process gets a turn.
TURN: Final = 20

UNREADABLE: Final = "Its definition can't be read; save it again to enable it."
UNWRITABLE: Final = "Its slots can't be written; save it again to enable it."

Claimed = Sequence[tuple[UUID, Trigger]]

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Decided:
    """What was decided of a batch, to be told once it is committed."""

    slots: list[tuple[Owner, Decision]] = field(default_factory=list)
    changes: list[Advance] = field(default_factory=list)
    unreadable: list[UUID] = field(default_factory=list)
    now: datetime | None = None

    def add(self, owner: Owner, outcome: Outcome) -> None:
        self.slots += [(owner, decision) for decision in outcome.decisions]
        self.changes.append(outcome.trigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Decides what is due of triggers that its caller has locked, in the caller's transaction."""

    engine: Engine
    policy: Policy

    async def fire(self, connection: AsyncConnection, claimed: Claimed, now: datetime) -> Decided:
        """Of very many slots only some are decided: those triggers that are left stay due."""
        if not claimed:
            return Decided()
        ids = {owner for owner, _ in claimed}
        owners = await rows.lock_owners(connection, list(ids))
        # Once the owners are locked, so that no run begins or ends in between.
        active = await rows.active(connection, list(ids))
        gaps = await self._gaps(connection, claimed, now)
        decided = await self._decided(claimed, owners, active, gaps, now)
        await self._write(connection, decided, now)
        decided.now = now
        return decided

    async def _decided(
        self,
        claimed: Claimed,
        owners: dict[UUID, Owner],
        active: dict[UUID, Active],
        gaps: Sequence[Gap],
        now: datetime,
    ) -> Decided:
        found = Decided()
        for number, (owner_id, trigger) in enumerate(claimed, 1):
            if (owner := owners.get(owner_id)) is None:
                continue
            try:
                plan = definitions.read(owner.definition)
                busy = active.get(owner_id, Active())
                outcome = slot_decision.decide(owner, plan, trigger, busy, self.policy, now, gaps)
            except Exception as error:
                log.error("trigger_disabled", trigger=str(trigger.id), exc_info=error)
                found.unreadable.append(trigger.id)
                continue
            active[owner_id] = outcome.active
            found.add(owner, outcome)
            if len(found.slots) >= MOST_SLOTS:
                break
            if number % TURN == 0:
                await asyncio.sleep(0)
        return found

    async def _gaps(
        self, connection: AsyncConnection, claimed: Claimed, now: datetime
    ) -> Sequence[Gap]:
        due = min((t.next_fire_time for _, t in claimed if t.next_fire_time), default=now)
        if now - due <= slot_decision.PROMPT:
            return ()
        return await scheduler_heartbeats.gaps_after(connection, due)

    async def _write(self, connection: AsyncConnection, decided: Decided, now: datetime) -> None:
        fresh = await rows.record(connection, [d.row for _, d in decided.slots], now)
        await rows.advance(connection, decided.changes, zones.VERSION)
        await rows.disable(connection, decided.unreadable, UNREADABLE)
        wakes = [d.row.run for _, d in decided.slots if d.wakes and d.row.run in fresh]
        await self.engine.wake(connection, [run for run in wakes if run is not None])


async def recompute(connection: AsyncConnection, claimed: Claimed, now: datetime) -> None:
    """When locked triggers come due, by the time zone database at hand.

    A local time that was decided by other rules is not decided again: the ledger says so.
    """
    owners = await rows.lock_owners(connection, list({owner for owner, _ in claimed}))
    last = await rows.last_slots(connection, [trigger.id for _, trigger in claimed])
    times: dict[UUID, datetime | None] = {}
    again: list[SlotRow] = []
    until: dict[UUID, datetime] = {}
    unreadable: list[UUID] = []
    for owner_id, trigger in claimed:
        if (owner := owners.get(owner_id)) is None:
            continue
        try:
            _, config = definitions.read(owner.definition).trigger(trigger.trigger_id)
            slots = tzdata_change.repeated(config, last.get(trigger.id), trigger.decided_until)
            after = slots[-1].fire_time if slots else trigger.decided_until
            times[trigger.id] = triggers.next_fire_time(
                config, str(trigger.id), after, fires=trigger.fires
            )
        except Exception as error:
            log.error("trigger_disabled", trigger=str(trigger.id), exc_info=error)
            unreadable.append(trigger.id)
            continue
        again += [tzdata_change.row(owner.id, trigger, slot, last[trigger.id]) for slot in slots]
        if slots:
            until[trigger.id] = after
    await rows.record(connection, again, now)
    await rows.reschedule(connection, times, until, zones.VERSION)
    await rows.disable(connection, unreadable, UNREADABLE)


def say(decided: Decided) -> None:
    for owner, decision in decided.slots:
        row = decision.row
        log.info(
            "slot_decided",
            automation=owner.resource,
            trigger=row.trigger_id,
            slot_time=row.slot_time.isoformat(),
            outcome=row.outcome.value,
            run=str(row.run) if row.run else None,
        )
        metrics.count("rota.slots", outcome=row.outcome.value)
        if row.run and decided.now:
            late = (decided.now - row.fire_time).total_seconds()
            metrics.record_seconds("rota.slot.lateness", late, outcome=row.outcome.value)
