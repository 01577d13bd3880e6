"""The methods of slots: preview, list, explain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import automations as automation_rows
from automation_service.persistence import slots as rows
from automation_service.persistence.records import Automation, Slot, SlotBackfill, Trigger
from automation_service.scheduling import slot_skips
from shared import errors, list_filter, resources
from shared.aip import Page
from shared.clock import Clock, rfc3339, shift
from shared.definition.states import AutomationStatus, RunStatus, SlotOutcome
from shared.schedule import description, notes, zones
from shared.schedule import slots as schedule_slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot
from shared.validation.violations import from_pydantic

DEFAULT_COUNT: Final = 10
LARGEST_COUNT: Final = 100
_ENDS: Final = {
    RunStatus.PENDING: "has not begun",
    RunStatus.RUNNING: "is not at its end",
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "was cancelled",
    RunStatus.TIMED_OUT: "took too long",
}
# The slots of a rare schedule are years apart; the rarest comes within 40 years.
PREVIEW_SPAN: Final = timedelta(days=50 * 366)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPreview:
    slots: Sequence[PlannedSlot]
    summary: str
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerExplanation:
    text: str
    slot: Slot | None = None
    nearest: Sequence[PlannedSlot] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    db: AsyncEngine
    clock: Clock
    retention: timedelta

    def preview(self, config: dict[str, Any], after: datetime | None, count: int) -> SlotPreview:
        """Computes the next slots with the function that the scheduler uses."""
        try:
            read = ScheduleTriggerConfig.model_validate(config)
        except ValidationError as exc:
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(
                        field=fault.field, description=fault.message, reason=fault.reason
                    )
                    for fault in from_pydantic(exc, "config", ScheduleTriggerConfig)
                ]
            ) from exc
        wanted = min(count or DEFAULT_COUNT, LARGEST_COUNT)
        start = after or self.clock.now()
        until = shift(_find_beginning(read, start), PREVIEW_SPAN)
        found = list(islice(schedule_slots.slots_between(read, start, until), wanted))
        return SlotPreview(
            slots=_at_most(found, read.max_fires),
            summary=description.describe(read),
            notes=[*notes.find_notes(read), *_note_of_no_fire(read, start), *_note_of_cut(count)],
        )

    async def list(
        self, workspace: str, automation: str, page: Page, filter_: str
    ) -> Sequence[Slot]:
        """Returns a page and one more if there is one.

        Raises InvalidRequest for a filter by a trigger that the automation neither has nor has
        slots of.
        """
        wanted = list_filter.parse(filter_, _filter_fields(workspace, automation))
        asked = set(list_filter.find_values(wanted, "trigger"))
        async with self.db.connect() as connection:
            owner = await automation_rows.get(connection, workspace, automation)
            if unknown := asked - {trigger.trigger_id for trigger in owner.triggers}:
                unknown -= await rows.find_trigger_ids(connection, owner.id, unknown)
            if unknown:
                raise errors.invalid("filter", _no_trigger(min(unknown), owner))
            return await rows.page(
                connection, owner.id, size=page.size, after=page.after_time_and_id(), filter_=wanted
            )

    async def explain(self, name: str, moment: datetime) -> LedgerExplanation:
        """Explains the slot whose slot_time or fire_time is `moment`, to the second."""
        parts = resources.TRIGGER.parse(name)
        async with self.db.connect() as connection:
            owner = await automation_rows.find(connection, parts["workspace"], parts["automation"])
            if owner is None:
                raise errors.ResourceNotFound(name)
            slot = await rows.find_at(connection, owner.id, parts["trigger"], moment)
        trigger = next((t for t in owner.triggers if t.trigger_id == parts["trigger"]), None)
        if slot is not None:
            return LedgerExplanation(text=_said(slot, _zone(owner, trigger)), slot=slot)
        if trigger is None:
            raise errors.ResourceNotFound(name)
        return self._without_row(owner, trigger, moment)

    def _without_row(
        self, owner: Automation, trigger: Trigger, moment: datetime
    ) -> LedgerExplanation:
        config = slot_skips.read_schedule(owner, trigger)
        if config is None:
            return LedgerExplanation(
                text=f"Its schedule can't be read. {trigger.disabled_reason}".strip()
            )
        start = moment.replace(microsecond=0)
        planned = schedule_slots.find_slots_at(config, start)
        if not planned:
            return LedgerExplanation(
                text=f"It is no slot of this schedule{_reason_excluded(config, start)}.",
                nearest=_nearest(config, start),
            )
        now = self.clock.now()
        if moment > now:
            return LedgerExplanation(text=_future(owner, trigger, planned[0]))
        if moment < now - self.retention:
            return LedgerExplanation(text="It is older than the ledger is kept.")
        if moment <= trigger.create_time:
            return LedgerExplanation(text="The trigger did not exist yet.")
        return LedgerExplanation(text=_undecided(trigger, config.timezone))


def _find_beginning(config: ScheduleTriggerConfig, start: datetime) -> datetime:
    """Finds a moment, not before `start`, before which a schedule has no slot after it."""
    found = max(start, config.start_time or start)
    if config.first_time is None:
        return found
    return max(found, config.first_time.replace(tzinfo=zones.load(config.timezone)))


def _reason_excluded(config: ScheduleTriggerConfig, moment: datetime) -> str:
    try:
        day = moment.astimezone(zones.load(config.timezone)).date()
    except OverflowError:  # at the ends of the calendar
        return ""
    return f": {day} is one of its excluded dates" if day in config.excluded_dates else ""


def _note_of_no_fire(config: ScheduleTriggerConfig, after: datetime) -> list[str]:
    if next(schedule_slots.fires_after(config, after), None) is not None:
        return []
    if next(schedule_slots.slots_after(config, after), None) is not None:
        return ["It never fires: a clock change skips every time that its schedule names."]
    return [f"It never fires: its schedule names no time after {rfc3339(after)}."]


def _note_of_cut(count: int) -> list[str]:
    if count <= LARGEST_COUNT:
        return []
    return [f"Of {count} slots that were asked for, at most the first {LARGEST_COUNT} are given."]


def _at_most(found: Sequence[PlannedSlot], fires: int | None) -> Sequence[PlannedSlot]:
    """Cuts the slots after the one that fires for the `fires`th time."""
    if fires is None:
        return found
    spent = [n for n, slot in enumerate(found) if not slot.skipped][fires - 1 : fires]
    return found[: spent[0] + 1] if spent else found


def _zone(owner: Automation, trigger: Trigger | None) -> str:
    """The zone of a schedule; UTC for one that is gone or can't be read."""
    config = None if trigger is None else slot_skips.read_schedule(owner, trigger)
    return "UTC" if config is None else config.timezone


def _said(slot: Slot, zone: str) -> str:
    words = {
        SlotOutcome.FIRED: "It fired on time.",
        SlotOutcome.CAUGHT_UP: "It was caught up.",
        SlotOutcome.SKIPPED_OVERLAP: "It was skipped.",
        SlotOutcome.SKIPPED_PAUSED: "It was skipped.",
        SlotOutcome.SKIPPED_DST: "It was skipped.",
        SlotOutcome.MISSED: "It was missed.",
        SlotOutcome.REJECTED: "It was rejected.",
        SlotOutcome.SKIPPED_REQUESTED: "It was skipped.",
    }
    said = (words[slot.outcome], slot.reason, _describe_backfill(slot.backfill, zone))
    return " ".join(part for part in said if part)


def _describe_backfill(found: SlotBackfill | None, zone: str) -> str:
    if found is None:
        return ""
    when = description.describe_moment(found.create_time, zone)
    asked = f"{found.requester or 'A deleted user'} had it run afterwards, on {when}"
    return f"{asked}: that run {_ENDS[found.status] if found.status else 'is no longer kept'}."


def _future(owner: Automation, trigger: Trigger, slot: PlannedSlot) -> str:
    if reason := _reason_skipped(trigger, slot):
        if owner.status is AutomationStatus.ARCHIVED:
            return f"It does not come: the automation is archived. It would be skipped. {reason}"
        if not trigger.enabled:
            return f"It does not come while the trigger is disabled. It would be skipped. {reason}"
        return f"It will be skipped. {reason}"
    if owner.resume_time is not None and trigger.enabled:
        when = f"the automation is paused until {rfc3339(owner.resume_time)}"
        skipped = slot.fire_time < owner.resume_time
        return f"It {'will be skipped' if skipped else 'has not come yet'}: {when}."
    if owner.status.value != "active":
        return f"It has not come yet, and the automation is {owner.status.value}."
    if not trigger.enabled:
        return "It has not come yet, and the trigger is disabled."
    return "It has not come yet."


def _reason_skipped(trigger: Trigger, slot: PlannedSlot) -> str:
    """Why a slot to come has no run, in a sentence; empty if it will have one."""
    if slot.skipped:
        return slot.reason
    for skip in trigger.skips:
        if skip.slot_time == slot.slot_time:
            return slot_skips.give_reason(skip)
    return ""


def _undecided(trigger: Trigger, zone: str) -> str:
    if not trigger.enabled:
        disabled = trigger.disabled_time
        since = f" since {description.describe_moment(disabled, zone)}" if disabled else ""
        return f"The trigger is disabled{since}. {trigger.disabled_reason}".strip()
    if trigger.next_fire_time is None:
        return "The schedule had ended, or the automation is archived."
    return "It has not been decided, or the schedule was changed after it."


def _nearest(config: ScheduleTriggerConfig, moment: datetime) -> list[PlannedSlot]:
    """Finds the slots before and after a moment."""
    before = schedule_slots.find_last_slot(config, moment)
    after = schedule_slots.next_slots(config, moment, 1)[:1]
    return after if before is None else [before, *after]


def _no_trigger(trigger_id: str, owner: Automation) -> str:
    listed = ", ".join(trigger.trigger_id for trigger in owner.triggers) or "none"
    return f"{trigger_id!r} is no trigger of this automation; triggers: {listed}"


def _filter_fields(workspace: str, automation: str) -> Mapping[str, list_filter.Kind]:
    def read_trigger(value: str) -> str:
        if "/" not in value:
            return value
        try:
            parts = resources.TRIGGER.parse(value)
        except errors.RotaError as error:
            raise ValueError(f"{value!r} is no name of a trigger") from error
        if (parts["workspace"], parts["automation"]) != (workspace, automation):
            raise ValueError(f"{value!r} is no trigger of this automation")
        return parts["trigger"]

    return {
        "outcome": list_filter.state(SlotOutcome),
        "trigger": list_filter.Kind(("=", "!="), read_trigger),
        "slot_time": list_filter.TIME,
    }
