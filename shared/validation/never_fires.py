"""Schedules that would never fire, which are refused before they are saved."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.clock import rfc3339
from shared.definition.envelope import AutomationDefinition
from shared.definition.states import TriggerType
from shared.errors import FieldReason
from shared.schedule import slots, zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.validation import violations
from shared.validation.violations import Violation

_MINUTE: Final = timedelta(minutes=1)
# What is proposed instead of a moment that has passed: a clock change may skip or repeat the first.
_WAITS: Final = {
    timedelta(minutes=10): "in ten minutes",
    timedelta(hours=2): "in two hours",
    timedelta(days=1): "in a day",
    timedelta(days=2): "in two days",
}


def find_violations(
    definition: AutomationDefinition, now: datetime, fires: Mapping[str, int]
) -> Iterator[Violation]:
    """Yields why enabled schedules never fire after `now`; paths start at `definition`.

    `fires` has the number of fires by trigger_id; other triggers are not checked.
    """
    for i, trigger in enumerate(definition.triggers):
        if not trigger.enabled or trigger.type != TriggerType.SCHEDULE:
            continue
        if (fired := fires.get(trigger.trigger_id)) is None:
            continue
        config = ScheduleTriggerConfig.model_validate(trigger.config)
        if found := _fault(config, now, fired):
            field, why = found
            yield Violation(
                f"definition.triggers[{i}].config.{field}", FieldReason.NEVER_FIRES, why
            )


def require(
    definition: AutomationDefinition, now: datetime, fires: Mapping[str, int], *, field: str
) -> None:
    """InvalidRequest with paths under `field` when there are such faults."""
    violations.refuse(find_violations(definition, now, fires), field=field)


def zero_fires(definition: AutomationDefinition) -> dict[str, int]:
    """Returns no fires for each trigger, as a new automation has."""
    return {trigger.trigger_id: 0 for trigger in definition.triggers}


def _fault(config: ScheduleTriggerConfig, now: datetime, fired: int) -> tuple[str, str] | None:
    """The field at fault, and why."""
    if config.max_fires is not None and fired >= config.max_fires:
        times = "once" if fired == 1 else f"{fired} times"
        return "max_fires", f"it has fired {times} already, so it would never fire again"
    is_bounded = config.end_time is not None or config.start_time is not None
    if config.cron is not None and not is_bounded and config.on_gap == "shift":
        return None  # every cron expression that is valid comes again
    if config.end_time is not None and config.end_time <= now:
        return "end_time", f"is past (it is {_text(now)}), so it would never fire"
    if next(slots.fires_after(config, now), None) is not None:
        return None
    if skipped := next(slots.slots_after(config, now), None):
        return "on_gap", f"every time that is left is skipped: {skipped.reason}"
    if config.at is not None:
        return "at", _passed(config, now)
    return config.form, _too_late(config, now)


def _passed(config: ScheduleTriggerConfig, now: datetime) -> str:
    """Why a moment comes no more, with one that does."""
    zone = zones.load(config.timezone)
    said = "its moment has passed, so it would never fire"
    for wait in _WAITS:
        later = (now + wait + _MINUTE).astimezone(zone).replace(second=0, microsecond=0)
        local = later.replace(tzinfo=None, fold=0)
        found = slots.next_slots(config.model_copy(update={"at": local}), now, 1)
        if found and not found[0].skipped:
            words = _WAITS[wait]
            local_now = now.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
            return (
                f"{said}: it is {local_now} in {config.timezone}; {words} instead is "
                f"{local.isoformat(timespec='minutes')!r}"
            )
    return said


def _too_late(config: ScheduleTriggerConfig, now: datetime) -> str:
    endless: dict[str, Any] = {"end_time": None}
    later = slots.next_slots(config.model_copy(update=endless), now, 1)
    if not later or config.end_time is None:
        return "names no time that is left, so it would never fire"
    return (
        f"comes next at {_text(later[0].fire_time)}, after end_time, {_text(config.end_time)}, "
        "so it would never fire"
    )


def _text(moment: datetime) -> str:
    return rfc3339(moment.replace(microsecond=0))
