"""Due slots of a trigger → a decision for each. Pure: no database, no clock."""

from collections.abc import Iterator, Sequence
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
from automation_service.scheduling import slot_skips
from automation_service.scheduling.due_slots import DueSlots, find_due_slots
from shared import resources
from shared.clock import rfc3339
from shared.definition.envelope import TriggerSpec
from shared.definition.states import AutomationStatus, SlotOutcome
from shared.json import compact_json
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot
from shared.validation.inputs import describe_fault

MAX_WAITING: Final = 100
# The scheduler finds a due slot within this time, unless it was away. A slot that is no later
# fires even when a later slot is due too: jitter can make two slots due together.
PROMPT_LATENESS: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPolicy:
    """`on_time`: how late a slot may fire and still count as on time.

    `retention`: how long slots are kept. Older ones get no row.
    """

    on_time: timedelta = timedelta(seconds=60)
    retention: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDecision:
    """The decision about one slot. `run_may_start` is False when its run must wait.

    A run that `replaces` cancels the other active runs of its automation, but no backfill.
    """

    row: SlotRow
    run_may_start: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    decisions: list[SlotDecision]
    active: ActiveRuns  # with the new runs
    trigger: TriggerUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class _TriggerContext:
    """The inputs that all decisions of one call share."""

    automation: LockedAutomation
    parsed: ParsedDefinition
    trigger: Trigger
    spec: TriggerSpec
    config: ScheduleTriggerConfig
    policy: SlotPolicy
    now: datetime
    downtimes: Sequence[Downtime]
    latest: PlannedSlot | None  # as of DueSlots


def decide_slots(
    automation: LockedAutomation,
    parsed: ParsedDefinition,
    trigger: Trigger,
    active: ActiveRuns,
    policy: SlotPolicy,
    now: datetime,
    downtimes: Sequence[Downtime] = (),
    *,
    early: bool = False,
) -> TriggerDecision:
    """Decides the first 500 or so due slots of a trigger; the others stay due.

    With `early`, slots that are still inside their jitter are decided too: they fire at once.

    Of late slots only the latest runs, so that a downtime does not end in a burst of runs. The
    reason of a late slot names its downtime. Raises StopIteration when the definition has no such
    trigger, and ValueError when its schedule is invalid.
    """
    spec, config = parsed.trigger(trigger.trigger_id)
    due = find_due_slots(
        config,
        str(trigger.id),
        # Retention would delete the rows of older slots at once. ExplainSlot says of these that
        # they are older than the ledger.
        max(trigger.decided_until, now - policy.retention),
        now,
        reach=max(timedelta(seconds=config.catchup_window_seconds), policy.on_time),
        early=early,
        without={skip.slot_time for skip in trigger.skips},
    )
    context = _TriggerContext(
        automation=automation,
        parsed=parsed,
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
    max_fires = context.config.max_fires
    fires, last_fired_at = context.trigger.fires, context.trigger.last_fired_at
    last_fire_time = context.trigger.last_fire_time
    decisions: list[SlotDecision] = []
    for due_time, same_due_slots in due.groups:
        for slot in same_due_slots:
            if max_fires is not None and fires >= max_fires:
                break
            decision = _decide_slot(context, slot, due_time, active, last_fired_at)
            decisions.append(decision)
            if (run := decision.row.run) is not None:
                fires, last_fired_at, last_fire_time = fires + 1, context.now, slot.slot_time
                # The next slot sees the run of this one.
                active = _add_run(active, run, replaces=decision.replaces)
    trigger_update = TriggerUpdate(
        trigger=context.trigger.id,
        # The slot's own time, not now: a late decision must not shift the schedule.
        decided_until=due.until,
        fires=fires,
        last_fired_at=last_fired_at,
        last_fire_time=last_fire_time,
        next_fire_time=None if max_fires is not None and fires >= max_fires else due.next_time,
    )
    return TriggerDecision(decisions=decisions, active=active, trigger=trigger_update)


def _decide_slot(
    context: _TriggerContext,
    slot: PlannedSlot,
    due_time: datetime,
    active: ActiveRuns,
    last_fired_at: datetime | None,
) -> SlotDecision:
    def without_run(outcome: SlotOutcome, reason: str) -> SlotDecision:
        return SlotDecision(row=_build_row(context, slot, outcome, reason))

    if slot.skipped:
        return without_run(SlotOutcome.SKIPPED_DST, slot.reason)
    for skip in context.trigger.skips:
        if skip.slot_time == slot.slot_time:
            return without_run(SlotOutcome.SKIPPED_REQUESTED, slot_skips.give_reason(skip))
    if _came_while_paused(context.automation, slot):
        return without_run(SlotOutcome.SKIPPED_PAUSED, "The automation was paused.")
    if (why := context.trigger.disabled_reason) and not context.trigger.enabled:
        return without_run(SlotOutcome.MISSED, f"The service had disabled its trigger: {why}")
    late = max(context.now - due_time, timedelta(0))
    on_time = _is_on_time(context, slot, late)
    if not on_time and (problem := _reason_missed(context, slot, late)):
        return without_run(SlotOutcome.MISSED, problem + _downtime_note(context, due_time))
    concurrency = context.parsed.definition.execution.concurrency
    busy = active.waiting + active.running > 0
    # No slot is skipped because of a backfill: its run waits, and so do those after it.
    if concurrency == "drop_if_running" and busy and not _await_backfill(active):
        return without_run(
            SlotOutcome.SKIPPED_OVERLAP,
            f"Run {active.first_run} was still going on; concurrency is drop_if_running.",
        )
    if concurrency == "drop_if_running" and (why := _reason_dropped(context, slot, due_time)):
        return without_run(SlotOutcome.SKIPPED_OVERLAP, why)
    if concurrency in ("queue", "drop_if_running") and active.waiting >= MAX_WAITING:
        cause = "concurrency is queue"
        if concurrency != "queue":
            cause = f"the backfill {active.backfilling} was still going on"
        return without_run(SlotOutcome.REJECTED, f"{MAX_WAITING} runs waited already; {cause}.")
    payload = _build_payload(context, slot, last_fired_at)
    inputs = {**payload, **context.spec.static_inputs}
    if faults := context.parsed.find_input_faults(context.trigger.trigger_id, inputs):
        told = describe_fault(faults[0])
        return without_run(SlotOutcome.REJECTED, f"Its inputs are invalid: {told}.")
    note = f"It fired {_format_span(late)} late.{_downtime_note(context, due_time)}"
    notes = [_early_note(context, due_time) if on_time else note]
    if replaces := concurrency == "cancel_running":
        notes += _replaced_notes(active)
    row = _build_row(
        context,
        slot,
        SlotOutcome.FIRED if on_time else SlotOutcome.CAUGHT_UP,
        " ".join(filter(None, notes)),
        run=resources.new_id(),
        exclusive=concurrency != "always",
        inputs=compact_json.dump(inputs),
        payload=compact_json.dump(payload),
    )
    before = active.running > 0 if replaces else busy
    waits = concurrency != "always" and (before or active.backfilling is not None)
    return SlotDecision(row=row, run_may_start=not waits, replaces=replaces)


def _await_backfill(active: ActiveRuns) -> bool:
    """Tells whether all active runs wait for a backfill to end."""
    return active.running == 0 and active.backfilling is not None


def _add_run(active: ActiveRuns, run: UUID, *, replaces: bool) -> ActiveRuns:
    if not replaces:
        return replace(
            active,
            waiting=active.waiting + 1,
            first_run=active.first_run or run,
            first_waiting=active.first_waiting or run,
        )
    return replace(
        active,
        waiting=1,
        first_run=active.first_run if active.running else run,
        first_waiting=run,
    )


def _replaced_notes(active: ActiveRuns) -> Iterator[str]:
    if active.running:
        runs = f"Run {active.first_run} was still going on and was"
        if active.running > 1:
            runs = f"{active.running} runs were still going on and were"
        yield f"{runs} told to stop; concurrency is cancel_running."
    if active.waiting == 1:
        yield f"Run {active.first_waiting} still waited and ended; concurrency is cancel_running."
    elif active.waiting:
        yield f"{active.waiting} runs still waited and ended; concurrency is cancel_running."


def _came_while_paused(automation: LockedAutomation, slot: PlannedSlot) -> bool:
    if automation.status is not AutomationStatus.PAUSED:
        return False
    # A slot from then on is one of the resumed automation, whoever decides it and however late.
    if automation.resume_time is not None and slot.fire_time >= automation.resume_time:
        return False
    # An earlier slot came before the automatic pause: every other change decides what came before.
    return slot.fire_time > automation.update_time


def _is_on_time(context: _TriggerContext, slot: PlannedSlot, late: timedelta) -> bool:
    if late > context.policy.on_time:
        return False
    return late <= PROMPT_LATENESS or slot == context.latest


def _reason_missed(context: _TriggerContext, slot: PlannedSlot, late: timedelta) -> str:
    """Returns why a late slot does not run. Empty when it runs."""
    window = timedelta(seconds=context.config.catchup_window_seconds)
    found_late = f"It was found {_format_span(late)} late"
    if late > window:
        return f"{found_late}; the catch-up window is {_format_span(window)}."
    later = context.latest
    if later is not None and slot.fire_time < later.fire_time:
        return (
            f"{found_late}; of the slots that were due only the latest runs, "
            f"which is {rfc3339(later.slot_time)}."
        )
    return ""


def _reason_dropped(context: _TriggerContext, slot: PlannedSlot, due_time: datetime) -> str:
    """Returns why an early slot does not run: of those that fire at once, the latest does."""
    later = context.latest
    if due_time <= context.now or later is None or slot.fire_time >= later.fire_time:
        return ""
    return (
        f"Its trigger changed before the end of its jitter, {rfc3339(due_time)}, and concurrency "
        f"is drop_if_running: only the latest slot runs, which is {rfc3339(later.slot_time)}."
    )


def _early_note(context: _TriggerContext, due_time: datetime) -> str:
    if due_time <= context.now:
        return ""
    return (
        "It fired at once, because the automation changed before the end of its jitter, "
        f"{rfc3339(due_time)}."
    )


def _downtime_note(context: _TriggerContext, due_time: datetime) -> str:
    for downtime in context.downtimes:
        if downtime.start <= due_time <= downtime.end:
            start, end = _format_second(downtime.start), _format_second(downtime.end)
            return f" No scheduler ran from {start} to {end}."
    return ""


def _build_payload(
    context: _TriggerContext, slot: PlannedSlot, last_fired_at: datetime | None
) -> dict[str, Any]:
    return {
        "fired_at": rfc3339(context.now),
        "scheduled_for": rfc3339(slot.slot_time),
        "last_fired_at": None if last_fired_at is None else rfc3339(last_fired_at),
    }


def _build_row(
    context: _TriggerContext,
    slot: PlannedSlot,
    outcome: SlotOutcome,
    reason: str,
    *,
    run: UUID | None = None,
    **run_columns: Any,
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
        **run_columns,
    )


def _format_second(moment: datetime) -> str:
    return rfc3339(moment.replace(microsecond=0))


def _format_span(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))
