"""`unskip_slots`: times that were skipped run after all, after an approval that lists them."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from langchain_core.tools import BaseTool
from pydantic import ValidationError

from chat_service.runtime.ports import (
    ActionType,
    AutomationView,
    SavedAutomation,
    SkippedSlotView,
    TriggerView,
)
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import change_tool, summary
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import format_moment, format_slot
from chat_service.tools.automations.preview import show_slot
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument, Texts
from shared.clock import rfc3339
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig

NAME: Final = "unskip_slots"
# A card lists all slots that run after all.
MAX_SLOTS: Final = 20
ALL: Final = "all"
_DAY: Final = Argument(
    name="day",
    description=(
        "the day that the person named, as YYYY-MM-DD, or `all` for every time that is skipped; "
        "left out when they named none"
    ),
    most=10,
    required=False,
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.A)
_NOTE: Final = "It runs then as if nothing had been skipped, and goes on as before."

Skip = tuple[TriggerView, SkippedSlotView]


def unskip_slots_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        day = texts["day"].lower()
        if day and day != ALL and not _DATE.fullmatch(day):
            raise refuse_argument("day", "a date is needed, such as 2026-11-23, or `all`")
        found = await find_automation(run, texts["automation"])
        return _proposal(run, found, _choose(found, day, run.context.runtime.now))

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.unskip_slots(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            skipped=[
                (one["trigger"], datetime.fromisoformat(one["slot_time"]))
                for one in approved.payload["slots"]
            ],
            request_id=approved.approval,
        )

    return change_tool(
        run,
        NAME,
        [AUTOMATION, _DAY],
        action_type=ActionType.UNSKIP,
        change="unskipped",
        propose=propose,
        apply=apply,
    )


def _choose(found: AutomationView, day: str, now: datetime) -> list[Skip]:
    """Returns the skips of a day that can be taken back, the earliest first.

    Raises ToolStopped when there are none or too many, and for several when no day is named.
    """
    skips = sorted(
        ((trigger, slot) for trigger in found.triggers for slot in trigger.skipped),
        key=lambda one: one[1].fire_time,
    )
    coming = [one for one in skips if one[1].fire_time > now]
    if not coming:
        issue = f"“{found.display_name}” has no skipped time to come"
        raise refuse_argument("automation", issue)
    chosen = coming if day in ("", ALL) else _of_day(coming, day)
    if not chosen:
        raise refuse_argument("day", f"no time of that day is skipped; skipped are {_list(coming)}")
    if not day and len(chosen) > 1:
        issue = f"several times are skipped, so ask which is meant: {_list(coming)}"
        raise refuse_argument("day", issue)
    if len(chosen) > MAX_SLOTS:
        issue = f"{len(chosen)} times are skipped, and a card lists at most {MAX_SLOTS}: name a day"
        raise refuse_argument("day", issue)
    return chosen


def _of_day(skips: Sequence[Skip], day: str) -> list[Skip]:
    return [one for one in skips if one[1].local_time.startswith(day)]


def _list(skips: Sequence[Skip]) -> str:
    more = len(skips) - MAX_SLOTS
    shown = ", ".join(format_slot(*one) for one in skips[:MAX_SLOTS])
    return f"{shown} and {more} more" if more > 0 else shown


def _proposal(run: AgentRun, found: AutomationView, skips: Sequence[Skip]) -> Proposal:
    payload = {
        "name": found.name,
        "slots": [
            {
                "trigger": f"{found.name}/triggers/{trigger.trigger_id}",
                "slot_time": rfc3339(slot.slot_time),
                "fire_time": rfc3339(slot.fire_time),
            }
            for trigger, slot in skips
        ],
    }
    times = f"{len(skips)} times"
    which = format_slot(*skips[0]) if len(skips) == 1 else f"{times} that are skipped"
    return Proposal(
        summary=summary(f"Run {found.display_name} after all: {which}", ""),
        payload=payload,
        payload_schema=_schema(payload),
        context={"automation": found.name, "display_name": found.display_name},
        preview={
            "summary": f"It runs after all at {'one time' if len(skips) == 1 else times}.",
            "slots": [
                show_slot(
                    trigger.trigger_id,
                    trigger.config,
                    fire_time=slot.fire_time,
                    local_time=slot.local_time,
                )
                for trigger, slot in skips
            ],
            "notes": [_NOTE, *_idle_notes(found, skips, run.context.runtime.time_zone)],
            "time_zone_assumed": False,
        },
    )


def _idle_notes(found: AutomationView, skips: Sequence[Skip], zone: str) -> list[str]:
    """Returns why times do not run although they are not skipped any more."""
    notes: list[str] = []
    if found.state == "paused" and found.resume_time is None:
        notes.append("It is paused, so it does not run until it is resumed.")
    elif found.state == "paused" and found.resume_time is not None:
        until = format_moment(found.resume_time, zone)
        notes.append(f"It is paused until {until}, so what comes before then does not run.")
    for trigger, slot in skips:
        if not trigger.enabled:
            notes.append(f"{format_slot(trigger, slot)} does not run: its trigger is off.")
        elif not _is_planned(trigger, slot):
            when = format_slot(trigger, slot)
            notes.append(f"{when} does not run: its schedule does not name it any more.")
    return notes


def _is_planned(trigger: TriggerView, slot: SkippedSlotView) -> bool:
    try:
        schedule = ScheduleTriggerConfig.model_validate(trigger.config)
    except ValidationError:
        return False
    return slots.names_fire(schedule, slot.slot_time)


def _schema(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "const": payload["name"]},
            "slots": {
                "type": "array",
                "const": payload["slots"],
                "items": {"type": "object"},
                "description": "the times that run after all",
            },
        },
        "required": ["name", "slots"],
        "additionalProperties": False,
    }
