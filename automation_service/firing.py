"""One trigger's due slots → what becomes of each. Pure: no database, no clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from automation_service import planning
from automation_service.persistence.records import Automation, Trigger
from shared import resources, schedule, zones
from shared.definition import AutomationDefinition, AutomationStatus, SlotOutcome, TriggerSpec
from shared.registries.inputs import run_faults
from shared.registries.triggers.schedule import ScheduleTriggerConfig
from shared.schedule import PlannedSlot

MOST_SLOTS: Final = 500
MOST_WAITING: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`on_time`: how late a slot may fire and still count as on time."""

    on_time: timedelta = timedelta(seconds=60)
    retention: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """How many runs of the automation wait, and how many go on."""

    waiting: int
    running: int

    @property
    def any(self) -> bool:
        return self.waiting + self.running > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one slot. `run` holds a run's values when it starts one."""

    slot: PlannedSlot
    outcome: SlotOutcome
    reason: str = ""
    run: dict[str, Any] | None = None
    wakes: bool = False  # whether the run may begin at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    decisions: list[Decision]
    trigger: dict[str, Any]  # what changes of its row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fire:
    """What all slots of one pass have in common."""

    automation: Automation
    definition: AutomationDefinition
    trigger: Trigger
    spec: TriggerSpec
    config: ScheduleTriggerConfig
    policy: Policy
    now: datetime


def decide(
    automation: Automation, trigger: Trigger, busy: Busy, policy: Policy, now: datetime
) -> Outcome:
    """Decides the slots of a trigger that are due, at most 500. Raises for a row it can't read."""
    definition = AutomationDefinition.model_validate(automation.definition)
    spec = next(t for t in definition.triggers if t.trigger_id == trigger.trigger_id)
    fire = _Fire(
        automation=automation,
        definition=definition,
        trigger=trigger,
        spec=spec,
        config=planning.config_of(spec.config),
        policy=policy,
        now=now,
    )
    decisions: list[Decision] = []
    until, fires, last = trigger.decided_until, trigger.fires, trigger.last_fired_at
    for together in _due(fire):
        for slot in together:
            if fire.config.max_fires is not None and fires >= fire.config.max_fires:
                break
            decision = _decided(fire, slot, busy, last)
            decisions.append(decision)
            if decision.run is not None:
                fires, last = fires + 1, now
                busy = replace(busy, waiting=busy.waiting + 1)
        # nominal, not now: a late tick must not drift the schedule
        until = together[0].fire_time
    return Outcome(decisions=decisions, trigger=_changes(fire, decisions, until, fires, last))


def _due(fire: _Fire) -> Iterator[list[PlannedSlot]]:
    """Slots that are due, those of one fire_time together."""
    after = max(fire.trigger.decided_until, fire.now - fire.policy.retention)
    found = schedule.next_slots(fire.config, after, MOST_SLOTS)
    for _, same in groupby(found, key=lambda slot: slot.fire_time):
        together = list(same)
        if planning.due_time(fire.config, str(fire.trigger.id), together) > fire.now:
            return
        yield together


def _changes(
    fire: _Fire,
    decisions: Iterable[Decision],
    until: datetime,
    fires: int,
    last_fired_at: datetime | None,
) -> dict[str, Any]:
    ran = [decision.slot.slot_time for decision in decisions if decision.run is not None]
    until = max(until, fire.now - fire.policy.retention)
    return {
        "decided_until": until,
        "fires": fires,
        "last_fired_at": last_fired_at,
        "last_fire_time": ran[-1] if ran else fire.trigger.last_fire_time,
        "next_fire_time": planning.next_fire_time(
            fire.config, str(fire.trigger.id), until, fires=fires
        ),
        "tzdata_version": zones.VERSION,
    }


def _decided(fire: _Fire, slot: PlannedSlot, busy: Busy, last: datetime | None) -> Decision:
    def without_run(outcome: SlotOutcome, reason: str) -> Decision:
        return Decision(slot=slot, outcome=outcome, reason=reason)

    if slot.skipped:
        return without_run(SlotOutcome.SKIPPED_DST, slot.reason)
    if fire.automation.status is AutomationStatus.PAUSED:
        return without_run(SlotOutcome.SKIPPED_PAUSED, "The automation was paused.")
    due = planning.due_time(fire.config, str(fire.trigger.id), [slot])
    late = fire.now - due
    on_time = late <= fire.policy.on_time
    window = timedelta(seconds=fire.config.catchup_window_seconds)
    if not on_time and late > window:
        return without_run(
            SlotOutcome.MISSED,
            f"It was found {_span(late)} late; the catch-up window is {_span(window)}.",
        )
    concurrency = fire.definition.execution.concurrency
    if concurrency == "drop_if_running" and busy.any:
        return without_run(
            SlotOutcome.SKIPPED_OVERLAP, "A run was still going on; concurrency is drop_if_running."
        )
    if concurrency == "queue" and busy.waiting >= MOST_WAITING:
        return without_run(
            SlotOutcome.REJECTED, f"{MOST_WAITING} runs waited already; concurrency is queue."
        )
    values = _run(fire, slot, last)
    if faults := run_faults(fire.definition.inputs.schema_, values["inputs"]):
        path, problem = faults[0]
        return without_run(SlotOutcome.REJECTED, f"Its inputs are invalid: {path}: {problem}.")
    return Decision(
        slot=slot,
        outcome=SlotOutcome.FIRED if on_time else SlotOutcome.CAUGHT_UP,
        reason="" if on_time else f"It fired {_span(late)} late.",
        run=values,
        wakes=concurrency == "always" or not busy.any,
    )


def _run(fire: _Fire, slot: PlannedSlot, last: datetime | None) -> dict[str, Any]:
    payload = {
        "fired_at": _text(fire.now),
        "scheduled_for": _text(slot.slot_time),
        "last_fired_at": None if last is None else _text(last),
    }
    return {
        "id": resources.new_id(),
        "automation_id": fire.automation.id,
        "trigger": fire.trigger.id,
        "slot_time": slot.slot_time,
        "status": "pending",
        "exclusive": fire.definition.execution.concurrency != "always",
        "definition_snapshot": fire.automation.definition,
        "revision": fire.automation.revision,
        "trigger_payload": payload,
        "inputs": {**payload, **fire.spec.static_inputs},
        "create_time": fire.now,
    }


def slot_row(
    automation: UUID, trigger: Trigger, decision: Decision, now: datetime
) -> dict[str, Any]:
    return {
        "id": resources.new_id(),
        "automation_id": automation,
        "trigger": trigger.id,
        "trigger_id": trigger.trigger_id,
        "slot_time": decision.slot.slot_time,
        "fire_time": decision.slot.fire_time,
        "local_time": decision.slot.local_time[:16],
        "outcome": decision.outcome,
        "reason": decision.reason,
        "decide_time": now,
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _span(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))
