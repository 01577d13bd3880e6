"""Due slots of a trigger → a decision for each. Pure: no database, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from automation_service.definitions import ParsedDefinition
from automation_service.persistence.records import Trigger
from automation_service.persistence.scheduler_heartbeats import Downtime
from automation_service.persistence.slot_dispatch import (
    ActiveRuns,
    LockedAutomation,
    SlotRow,
    TriggerUpdate,
)
from automation_service.scheduling.due_slots import DueSlots, find_due_slots
from shared import compact_json, resources
from shared.clock import rfc3339
from shared.definition.envelope import AutomationDefinition, TriggerSpec
from shared.definition.states import AutomationStatus, SlotOutcome
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot
from shared.validation.inputs import check_run

MAX_WAITING: Final = 100
# A tick finds a due slot within this. Such a slot is on time even when a later slot is due,
# for example when jitter brings two slots near each other.
PROMPT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPolicy:
    """`on_time`: how late a slot may fire and still count as on time."""

    on_time: timedelta = timedelta(seconds=60)
    retention: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDecision:
    """The decision about one slot. `run_may_start` is False when its run must wait."""

    row: SlotRow
    run_may_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    decisions: list[SlotDecision]
    active: ActiveRuns  # with the new runs
    trigger: TriggerUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class _TriggerContext:
    """The inputs that all decisions of one call share."""

    automation: LockedAutomation
    definition: AutomationDefinition
    trigger: Trigger
    spec: TriggerSpec
    config: ScheduleTriggerConfig
    policy: SlotPolicy
    now: datetime
    downtimes: Sequence[Downtime]
    latest: PlannedSlot | None  # of all slots that are due


def decide_slots(
    automation: LockedAutomation,
    plan: ParsedDefinition,
    trigger: Trigger,
    active: ActiveRuns,
    policy: SlotPolicy,
    now: datetime,
    downtimes: Sequence[Downtime] = (),
) -> TriggerDecision:
    """Decides the due slots of a trigger, about 500. Raises for an invalid trigger.

    Of late slots only the latest due one runs, so that a downtime does not end in a burst of
    runs. The reasons name the downtimes.
    """
    spec, config = plan.trigger(trigger.trigger_id)
    due = find_due_slots(
        config,
        str(trigger.id),
        max(trigger.decided_until, now - policy.retention),
        now,
        reach=max(timedelta(seconds=config.catchup_window_seconds), policy.on_time),
    )
    context = _TriggerContext(
        automation=automation,
        definition=plan.definition,
        trigger=trigger,
        spec=spec,
        config=config,
        policy=policy,
        now=now,
        downtimes=downtimes,
        latest=due.latest,
    )
    return _decide_all(context, due, active)


def _decide_all(context: _TriggerContext, due: DueSlots, active: ActiveRuns) -> TriggerDecision:
    most = context.config.max_fires
    fires, last = context.trigger.fires, context.trigger.last_fired_at
    nominal = context.trigger.last_fire_time
    decisions: list[SlotDecision] = []
    for since, together in due.groups:
        for slot in together:
            if most is not None and fires >= most:
                break
            decision = _decide_slot(context, slot, since, active, last)
            decisions.append(decision)
            if (run := decision.row.run) is not None:
                fires, last, nominal = fires + 1, context.now, slot.slot_time
                active = replace(active, waiting=active.waiting + 1, first=active.first or run)
    advance = TriggerUpdate(
        trigger=context.trigger.id,
        # nominal, not now: a late tick must not drift the schedule
        decided_until=due.until,
        fires=fires,
        last_fired_at=last,
        last_fire_time=nominal,
        next_fire_time=None if most is not None and fires >= most else due.next_time,
    )
    return TriggerDecision(decisions=decisions, active=active, trigger=advance)


def _decide_slot(
    context: _TriggerContext,
    slot: PlannedSlot,
    due: datetime,
    active: ActiveRuns,
    last: datetime | None,
) -> SlotDecision:
    def without_run(outcome: SlotOutcome, reason: str) -> SlotDecision:
        return SlotDecision(row=_row(context, slot, outcome, reason))

    if slot.skipped:
        return without_run(SlotOutcome.SKIPPED_DST, slot.reason)
    if context.automation.status is AutomationStatus.PAUSED:
        return without_run(SlotOutcome.SKIPPED_PAUSED, "The automation was paused.")
    late = context.now - due
    on_time = _is_on_time(context, slot, late)
    if not on_time and (problem := _reason_missed(context, slot, late)):
        return without_run(SlotOutcome.MISSED, problem + _downtime_note(context, due))
    concurrency = context.definition.execution.concurrency
    busy = active.waiting + active.running > 0
    if concurrency == "drop_if_running" and busy:
        return without_run(
            SlotOutcome.SKIPPED_OVERLAP,
            f"Run {active.first} was still going on; concurrency is drop_if_running.",
        )
    if concurrency == "queue" and active.waiting >= MAX_WAITING:
        return without_run(
            SlotOutcome.REJECTED, f"{MAX_WAITING} runs waited already; concurrency is queue."
        )
    payload = _payload(context, slot, last)
    inputs = {**payload, **context.spec.static_inputs}
    if faults := check_run(context.definition.inputs.schema_, inputs):
        path, problem = faults[0]
        return without_run(SlotOutcome.REJECTED, f"Its inputs are invalid: {path}: {problem}.")
    row = _row(
        context,
        slot,
        SlotOutcome.FIRED if on_time else SlotOutcome.CAUGHT_UP,
        "" if on_time else f"It fired {_span(late)} late.{_downtime_note(context, due)}",
        run=resources.new_id(),
        exclusive=concurrency != "always",
        inputs=compact_json.dump(inputs),
        payload=compact_json.dump(payload),
    )
    return SlotDecision(row=row, run_may_start=concurrency == "always" or not busy)


def _is_on_time(context: _TriggerContext, slot: PlannedSlot, late: timedelta) -> bool:
    if late > context.policy.on_time:
        return False
    return late <= PROMPT or slot == context.latest


def _reason_missed(context: _TriggerContext, slot: PlannedSlot, late: timedelta) -> str:
    """Returns why a late slot does not run. Empty when it runs."""
    window = timedelta(seconds=context.config.catchup_window_seconds)
    if late > window:
        return f"It was found {_span(late)} late; the catch-up window is {_span(window)}."
    later = context.latest
    if later is not None and slot.fire_time < later.fire_time:
        return (
            f"It was found {_span(late)} late; of the slots that were due only the latest runs, "
            f"which is {rfc3339(later.slot_time)}."
        )
    return ""


def _downtime_note(context: _TriggerContext, due: datetime) -> str:
    for downtime in context.downtimes:
        if downtime.start <= due <= downtime.end:
            return f" No scheduler ran from {_second(downtime.start)} to {_second(downtime.end)}."
    return ""


def _payload(context: _TriggerContext, slot: PlannedSlot, last: datetime | None) -> dict[str, Any]:
    return {
        "fired_at": rfc3339(context.now),
        "scheduled_for": rfc3339(slot.slot_time),
        "last_fired_at": None if last is None else rfc3339(last),
    }


def _row(
    context: _TriggerContext,
    slot: PlannedSlot,
    outcome: SlotOutcome,
    reason: str,
    *,
    run: UUID | None = None,
    **of_run: Any,
) -> SlotRow:
    return SlotRow(
        id=resources.new_id(),
        automation_id=context.automation.id,
        trigger=context.trigger.id,
        trigger_id=context.trigger.trigger_id,
        slot_time=slot.slot_time,
        fire_time=slot.fire_time,
        local_time=slot.local_time[:16],
        outcome=outcome,
        reason=reason,
        run=run,
        **of_run,
    )


def _second(moment: datetime) -> str:
    return rfc3339(moment.replace(microsecond=0))


def _span(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))
