"""Due triggers → their slots and runs, many triggers in one transaction."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service import definitions
from automation_service.persistence import run_endings, scheduler_heartbeats
from automation_service.persistence import slot_dispatch as rows
from automation_service.persistence.records import Trigger
from automation_service.persistence.scheduler_heartbeats import Downtime
from automation_service.persistence.slot_dispatch import (
    ActiveRuns,
    LockedAutomation,
    SlotRow,
    TriggerUpdate,
)
from automation_service.queue import RunQueue
from automation_service.scheduling import slot_decision, triggers, tzdata_change
from automation_service.scheduling.slot_decision import SlotDecision, SlotPolicy, TriggerDecision
from shared import errors
from shared.clock import rfc3339
from shared.json import json_schema
from shared.schedule import zones
from shared.telemetry import logs, metrics

# A transaction decides no further trigger after so many slots: others wait for its locks.
MAX_SLOTS: Final = 1_000
# Other tasks of the process run after so many triggers, or after so much is spent on schemas.
YIELD_EVERY: Final = 20
YIELD_COST: Final = json_schema.QUICK_COST

UNREADABLE: Final = "Its definition can't be read; save it again to enable it."
UNWRITABLE: Final = "Its slots can't be written; save it again to enable it."

LockedTriggers = Sequence[tuple[UUID, Trigger]]

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class DispatchResult:
    """The decisions of a batch. They are logged after the commit."""

    slots: list[tuple[LockedAutomation, SlotDecision]] = field(default_factory=list)
    updates: list[TriggerUpdate] = field(default_factory=list)
    unreadable: list[UUID] = field(default_factory=list)
    now: datetime | None = None

    def add(self, automation: LockedAutomation, outcome: TriggerDecision) -> None:
        self.slots += [(automation, decision) for decision in outcome.decisions]
        self.updates.append(outcome.trigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Decides the due slots of locked triggers in the transaction of the caller."""

    queue: RunQueue
    policy: SlotPolicy

    async def dispatch(
        self,
        connection: AsyncConnection,
        claimed: LockedTriggers,
        now: datetime,
        *,
        early: bool = False,
        until: datetime | None = None,
    ) -> DispatchResult:
        """Decides and writes due slots. After MAX_SLOTS the remaining triggers stay due.

        With `early`, slots that are still inside their jitter are decided too. With `until`, they
        are decided as of that moment, which is not after `now`.
        """
        if not claimed:
            return DispatchResult()
        ids = {automation for automation, _ in claimed}
        automations = await rows.lock_automations(connection, list(ids))
        # After the automations are locked, so that no run begins or ends in between.
        active = await rows.count_active_runs(connection, list(ids))
        downtimes = await self._list_downtimes(connection, claimed, now)
        asof = now if until is None else until
        decided = await self._decide(claimed, automations, active, downtimes, asof, early)
        await self._write(connection, decided, now)
        decided.now = now
        return decided

    async def _decide(
        self,
        claimed: LockedTriggers,
        automations: dict[UUID, LockedAutomation],
        active: dict[UUID, ActiveRuns],
        downtimes: Sequence[Downtime],
        now: datetime,
        early: bool,
    ) -> DispatchResult:
        found = DispatchResult()
        cost = 0
        for number, (owner_id, trigger) in enumerate(claimed, 1):
            if (automation := automations.get(owner_id)) is None:
                continue
            try:
                parsed = definitions.parse(automation.definition)
                busy = active.get(owner_id, ActiveRuns())
                with json_schema.shared_cost() as budget:
                    outcome = slot_decision.decide_slots(
                        automation, parsed, trigger, busy, self.policy, now, downtimes, early=early
                    )
                cost += budget.spent
            except Exception as error:
                log.error("trigger_disabled", trigger=str(trigger.id), exc_info=error)
                found.unreadable.append(trigger.id)
                continue
            active[owner_id] = outcome.active
            found.add(automation, outcome)
            if len(found.slots) >= MAX_SLOTS:
                break
            if number % YIELD_EVERY == 0 or cost > YIELD_COST:
                cost = 0
                await asyncio.sleep(0)
        return found

    async def _list_downtimes(
        self, connection: AsyncConnection, claimed: LockedTriggers, now: datetime
    ) -> Sequence[Downtime]:
        due = min((t.next_fire_time for _, t in claimed if t.next_fire_time), default=now)
        if now - due <= slot_decision.PROMPT_LATENESS:
            return ()
        return await scheduler_heartbeats.list_downtimes(connection, due)

    async def _write(
        self, connection: AsyncConnection, decided: DispatchResult, now: datetime
    ) -> None:
        fresh = await rows.insert_slots(connection, [d.row for _, d in decided.slots], now)
        await rows.update_triggers(connection, decided.updates, zones.VERSION)
        await rows.disable_triggers(connection, decided.unreadable, UNREADABLE, now)
        await run_endings.replace_runs(connection, _find_replacements(decided, fresh), now)
        wakes = [d.row.run for _, d in decided.slots if d.run_may_start and d.row.run in fresh]
        await self.queue.enqueue(connection, [run for run in wakes if run is not None])


def _find_replacements(
    decided: DispatchResult, fresh: Collection[UUID]
) -> dict[UUID, tuple[UUID, errors.RotaError]]:
    """Finds the run of each automation that stays: of several, that of the slot decided last."""
    return {
        row.automation_id: (
            row.run,
            errors.RunReplaced(
                trigger=row.trigger_id, slot_time=rfc3339(row.slot_time), run=str(row.run)
            ),
        )
        for row in (decision.row for _, decision in decided.slots if decision.replaces)
        if row.run is not None and row.run in fresh
    }


async def recompute_fire_times(
    connection: AsyncConnection, claimed: LockedTriggers, now: datetime
) -> None:
    """Computes when locked triggers come due, with the current time zone database.

    A local time that was decided under the old rules gets a skipped slot, not a second run.
    """
    automations = await rows.lock_automations(
        connection, list({automation for automation, _ in claimed})
    )
    last = await rows.find_last_slots(connection, [trigger.id for _, trigger in claimed])
    times: dict[UUID, datetime | None] = {}
    again: list[SlotRow] = []
    until: dict[UUID, datetime] = {}
    unreadable: list[UUID] = []
    for owner_id, trigger in claimed:
        if (automation := automations.get(owner_id)) is None:
            continue
        try:
            _, config = definitions.parse(automation.definition).trigger(trigger.trigger_id)
            slots = tzdata_change.find_repeated_slots(
                config, last.get(trigger.id), trigger.decided_until
            )
            after = slots[-1].fire_time if slots else trigger.decided_until
            times[trigger.id] = triggers.compute_next_fire_time(
                config, str(trigger.id), after, fires=trigger.fires
            )
        except Exception as error:
            log.error("trigger_disabled", trigger=str(trigger.id), exc_info=error)
            unreadable.append(trigger.id)
            continue
        again += [
            tzdata_change.build_slot_row(automation.id, trigger, slot, last[trigger.id])
            for slot in slots
        ]
        if slots:
            until[trigger.id] = after
    await rows.insert_slots(connection, again, now)
    await rows.update_fire_times(connection, times, until, zones.VERSION)
    await rows.disable_triggers(connection, unreadable, UNREADABLE, now)


def log_decisions(decided: DispatchResult) -> None:
    for automation, decision in decided.slots:
        row = decision.row
        log.info(
            "slot_decided",
            automation=automation.resource,
            trigger=row.trigger_id,
            slot_time=row.slot_time.isoformat(),
            outcome=row.outcome.value,
            run=str(row.run) if row.run else None,
        )
        metrics.count("rota.slots", outcome=row.outcome.value)
        if row.run and decided.now:
            late = (decided.now - row.fire_time).total_seconds()
            metrics.record_seconds("rota.slot.lateness", late, outcome=row.outcome.value)
