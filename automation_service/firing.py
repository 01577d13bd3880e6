"""One trigger's due slots → what becomes of each. Pure: no database, no clock."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from automation_service import planning
from automation_service.persistence.beats import Gap
from automation_service.persistence.records import Automation, Trigger
from shared import resources, schedule, zones
from shared.definition import AutomationDefinition, AutomationStatus, SlotOutcome, TriggerSpec
from shared.registries.inputs import run_faults
from shared.registries.triggers.schedule import ScheduleTriggerConfig
from shared.schedule import PlannedSlot

MOST_SLOTS: Final = 500
MOST_WAITING: Final = 100
# How far back the latest late slot is looked for first: often it is near.
_MINUTES: Final = timedelta(minutes=5)
_HOURS: Final = timedelta(hours=3)


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
    first: UUID | None = None  # the one that has to end first

    @property
    def any(self) -> bool:
        return self.waiting + self.running > 0

    def with_one_more(self, run: UUID) -> "Busy":
        return replace(self, waiting=self.waiting + 1, first=self.first or run)


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
    gaps: Sequence[Gap]
    caught_up: PlannedSlot | None  # of all late slots the one that still runs


def decide(
    automation: Automation,
    trigger: Trigger,
    busy: Busy,
    policy: Policy,
    now: datetime,
    gaps: Sequence[Gap] = (),
) -> Outcome:
    """Decides the slots of a trigger that are due, at most 500. Raises for a row it can't read.

    Of the late slots only the latest one within the catch-up window runs, so that no time
    without a scheduler ends in a burst; `gaps` are such times, named in the reasons.
    """
    definition = AutomationDefinition.model_validate(automation.definition)
    spec = next(t for t in definition.triggers if t.trigger_id == trigger.trigger_id)
    config = planning.config_of(spec.config)
    fire = _Fire(
        automation=automation,
        definition=definition,
        trigger=trigger,
        spec=spec,
        config=config,
        policy=policy,
        now=now,
        gaps=gaps,
        caught_up=_latest_late(config, trigger, policy, now),
    )
    decisions: list[Decision] = []
    until, fires, last = trigger.decided_until, trigger.fires, trigger.last_fired_at
    for due, together in _due(fire):
        for slot in together:
            if fire.config.max_fires is not None and fires >= fire.config.max_fires:
                break
            decision = _decided(fire, slot, due, busy, last)
            decisions.append(decision)
            if decision.run is not None:
                fires, last = fires + 1, now
                busy = busy.with_one_more(decision.run["id"])
        # nominal, not now: a late tick must not drift the schedule
        until = together[0].fire_time
    return Outcome(decisions=decisions, trigger=_changes(fire, decisions, until, fires, last))


def _due(fire: _Fire) -> Iterator[tuple[datetime, list[PlannedSlot]]]:
    """Slots that are due and since when, those of one fire_time together.

    A slot is never due before an earlier one, however the jitter of the two fell.
    """
    after = max(fire.trigger.decided_until, fire.now - fire.policy.retention)
    count, due = 0, after
    # Lazily: the slots of a rare schedule are years apart.
    found = schedule.slots_after(fire.config, after)
    for _, same in groupby(found, key=lambda slot: slot.fire_time):
        together = list(same)
        due = max(due, planning.due_time(fire.config, str(fire.trigger.id), together))
        if due > fire.now:
            return
        count += len(together)
        yield due, together
        if count >= MOST_SLOTS:
            return


def _latest_late(
    config: ScheduleTriggerConfig, trigger: Trigger, policy: Policy, now: datetime
) -> PlannedSlot | None:
    """The last slot that is late and within the catch-up window."""
    on_time = now - policy.on_time
    if trigger.next_fire_time is None or trigger.next_fire_time >= on_time:
        return None
    slack = timedelta(seconds=config.jitter_seconds)
    window = timedelta(seconds=config.catchup_window_seconds) + slack
    for back in (_MINUTES, _HOURS, window):
        found, start = None, on_time - min(back + slack, window)
        due = start
        for slot in schedule.slots_after(config, start):
            due = max(due, planning.due_time(config, str(trigger.id), [slot]))
            if slot.fire_time >= on_time or due >= on_time:
                break
            if not slot.skipped:
                found = slot
        if found is not None or back >= window:
            return found
    return None


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


def _decided(
    fire: _Fire, slot: PlannedSlot, due: datetime, busy: Busy, last: datetime | None
) -> Decision:
    def without_run(outcome: SlotOutcome, reason: str) -> Decision:
        return Decision(slot=slot, outcome=outcome, reason=reason)

    if slot.skipped:
        return without_run(SlotOutcome.SKIPPED_DST, slot.reason)
    if fire.automation.status is AutomationStatus.PAUSED:
        return without_run(SlotOutcome.SKIPPED_PAUSED, "The automation was paused.")
    late = fire.now - due
    on_time = late <= fire.policy.on_time
    if not on_time and (problem := _lapsed(fire, slot, late)):
        return without_run(SlotOutcome.MISSED, problem + _downtime(fire, due))
    concurrency = fire.definition.execution.concurrency
    if concurrency == "drop_if_running" and busy.any:
        return without_run(
            SlotOutcome.SKIPPED_OVERLAP,
            f"Run {busy.first} was still going on; concurrency is drop_if_running.",
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
        reason="" if on_time else f"It fired {_span(late)} late.{_downtime(fire, due)}",
        run=values,
        wakes=concurrency == "always" or not busy.any,
    )


def _lapsed(fire: _Fire, slot: PlannedSlot, late: timedelta) -> str:
    """Why a late slot does not run any more; empty when it does."""
    window = timedelta(seconds=fire.config.catchup_window_seconds)
    if late > window:
        return f"It was found {_span(late)} late; the catch-up window is {_span(window)}."
    later = fire.caught_up
    if later is not None and slot.fire_time < later.fire_time:
        return (
            f"It was found {_span(late)} late; of the late slots only the latest is caught up, "
            f"which is {_text(later.slot_time)}."
        )
    return ""


def _downtime(fire: _Fire, due: datetime) -> str:
    for gap in fire.gaps:
        if gap.start <= due <= gap.end:
            return f" No scheduler ran from {_second(gap.start)} to {_second(gap.end)}."
    return ""


def _run(fire: _Fire, slot: PlannedSlot, last: datetime | None) -> dict[str, Any]:
    payload = {
        "fired_at": _text(fire.now),
        "scheduled_for": _text(slot.slot_time),
        "last_fired_at": None if last is None else _text(last),
    }
    return {
        "id": resources.new_id(),
        "workspace_id": fire.automation.workspace,
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


def _second(moment: datetime) -> str:
    return _text(moment.replace(microsecond=0))


def _span(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))
