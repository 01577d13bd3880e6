"""The preview of an automation's next fires, for an approval."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from chat_service.runtime.ports import PreviewView, SlotView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.moment import format_for
from shared.clock import rfc3339
from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import slots_after

SHOWN: Final = 5
_INSTANT: Final = timedelta(microseconds=1)
_MINUTE: Final = len("2026-11-23T09:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    trigger_id: str
    config: Mapping[str, Any]
    preview: PreviewView


async def build_preview(
    run: AgentRun, payload: Mapping[str, Any], said: str, *, known_zones: Collection[str] = ()
) -> dict[str, Any]:
    """Returns the JSON of the proto's Preview: the next fires of all triggers.

    Marks the person's zone as assumed if neither `said` nor `known_zones` contains it.
    """
    found = [await _preview(run, trigger) for trigger in enabled_schedules(payload)]
    slots = sorted(
        ((slot, one) for one in found for slot in one.preview.slots if not slot.is_dst_skipped),
        key=lambda pair: pair[0].fire_time,
    )
    assumed = run.context.runtime.time_zone not in known_zones and _zone_assumed(run, found, said)
    notes = [note for one in found for note in _notes(one)]
    if assumed:
        zone = run.context.runtime.time_zone
        notes.append(f"No time zone was named, so {zone} is assumed.")
    return {
        "summary": "; ".join(one.preview.summary for one in found if one.preview.summary),
        "slots": [_slot(slot, one) for slot, one in slots[:SHOWN]],
        "notes": list(dict.fromkeys(notes)),
        "time_zone_assumed": assumed,
    }


def keep_slots(
    preview: Mapping[str, Any], kept: Callable[[str, datetime], bool]
) -> list[dict[str, Any]]:
    """Returns the slots of a preview whose trigger id and fire_time `kept` accepts."""
    return [
        slot
        for slot in preview["slots"]
        if kept(slot["trigger_id"], datetime.fromisoformat(slot["fire_time"]))
    ]


def show_slot(
    trigger_id: str, config: Mapping[str, Any], *, fire_time: datetime, local_time: str
) -> dict[str, Any]:
    """Returns the JSON of the proto's PreviewSlot for a slot of a schedule, without a DST note."""
    zone = str(config.get("timezone", "UTC"))
    offset = fire_time.astimezone(zones.load(zone)).utcoffset() or timedelta(0)
    return {
        "trigger_id": trigger_id,
        "fire_time": rfc3339(fire_time),
        "local_time": local_time,
        "time_zone": zone,
        "utc_offset": f"{int(offset.total_seconds())}s",
        "dst_note": "",
    }


def note_pause(
    run: AgentRun, payload: Mapping[str, Any], preview: Mapping[str, Any], end: datetime | None
) -> dict[str, Any]:
    """Returns the preview of an automation that is paused, until `end` or until it is resumed.

    With an end, its slots are the first from then on.
    """
    if end is None:
        note = "It is paused, so it does not fire until it is resumed."
        return {**preview, "notes": [*preview["notes"], note]}
    note = f"It is paused until {format_for(run, end)}, and fires from then on by itself."
    slots = [slot for trigger in enabled_schedules(payload) for slot in _slots_from(trigger, end)]
    slots = sorted(slots, key=lambda slot: datetime.fromisoformat(slot["fire_time"]))[:SHOWN]
    return {**preview, "slots": slots, "notes": [*preview["notes"], note]}


def _slots_from(trigger: Mapping[str, Any], start: datetime) -> list[dict[str, Any]]:
    """Returns the first slots of a schedule that don't fire before `start`."""
    config = ScheduleTriggerConfig.model_validate(trigger["config"])
    most = min(SHOWN, config.max_fires or SHOWN)
    fires = (slot for slot in slots_after(config, start - _INSTANT) if not slot.skipped)
    return [
        {
            **show_slot(
                trigger["trigger_id"],
                trigger["config"],
                fire_time=slot.fire_time,
                local_time=slot.local_time[:_MINUTE],
            ),
            "dst_note": slot.dst_note,
        }
        for slot in islice(fires, most)
    ]


def show_fires(preview: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a card compares of two previews, as JSON."""
    return {"summary": preview["summary"], "slots": preview["slots"]}


def enabled_schedules(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        trigger
        for trigger in payload["definition"].get("triggers", [])
        if trigger.get("type") == "schedule" and trigger.get("enabled", True)
    ]


def zones_of(payload: Mapping[str, Any]) -> set[str]:
    return {str(trigger["config"].get("timezone", "")) for trigger in enabled_schedules(payload)}


async def _preview(run: AgentRun, trigger: Mapping[str, Any]) -> _Found:
    context, config = run.context.runtime, trigger["config"]
    preview = await run.deps.retry.peer.call(
        lambda: run.deps.automations.preview_schedule(
            workspace=context.workspace, user=context.user, config=config, count=SHOWN
        )
    )
    return _Found(trigger_id=trigger["trigger_id"], config=config, preview=preview)


def _zone_assumed(run: AgentRun, found: list[_Found], said: str) -> bool:
    context = run.context.runtime
    used = any(one.config.get("timezone") == context.time_zone for one in found)
    named = re.search(rf"\b({re.escape(context.time_zone)}|UTC|GMT)\b", said, re.I)
    return context.time_zone_assumed and used and named is None


def _notes(found: _Found) -> list[str]:
    skipped = [
        slot.dst_note or f"{slot.local_time} is skipped."
        for slot in found.preview.slots
        if slot.is_dst_skipped
    ]
    return [*found.preview.notes, *skipped]


def _slot(slot: SlotView, found: _Found) -> dict[str, Any]:
    return {
        "trigger_id": found.trigger_id,
        "fire_time": rfc3339(slot.fire_time),
        "local_time": slot.local_time,
        "time_zone": str(found.config.get("timezone", "")),
        "utc_offset": f"{int(slot.utc_offset.total_seconds())}s",
        "dst_note": slot.dst_note,
    }
