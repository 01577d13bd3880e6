"""`skip_next_slot`: the next time of an automation is left out, after an approval."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import (
    ActionType,
    AutomationView,
    SavedAutomation,
    SlotView,
    TriggerView,
)
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import (
    NOTE,
    change_tool,
    fixed_schema,
    summary,
)
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import format_slot
from chat_service.tools.automations.preview import build_preview, keep_slots, zones_of
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument, Texts
from shared.clock import rfc3339

NAME: Final = "skip_next_slot"
_DAY: Final = Argument(
    name="day",
    description="the day that the person named, as YYYY-MM-DD; left out when they named none",
    most=10,
    required=False,
    format="date",
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.A)
_FIXED: Final = ("name", "trigger", "slot_time")


def skip_next_slot_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        if texts["day"] and not _DATE.fullmatch(texts["day"]):
            raise refuse_argument("day", "a date is needed, such as 2026-11-23")
        found = await find_automation(run, texts["automation"])
        trigger, slot = _find_next(run, found)
        when = format_slot(trigger, slot)
        if texts["day"] and not slot.local_time.startswith(texts["day"]):
            raise refuse_argument(
                "day",
                f"its next time is {when}, and only the next time that is not skipped can be "
                "skipped",
            )
        return await _proposal(run, found, trigger, slot, texts["note"], when)

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        payload = approved.payload
        return await run.deps.automations.skip_next_slot(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            trigger=payload["trigger"],
            slot_time=datetime.fromisoformat(payload["slot_time"]),
            note=payload.get("note", ""),
            request_id=approved.approval,
        )

    return change_tool(
        run,
        NAME,
        [AUTOMATION, _DAY, NOTE],
        action_type=ActionType.SKIP,
        change="skipped",
        propose=propose,
        apply=apply,
    )


def _find_next(run: AgentRun, found: AutomationView) -> tuple[TriggerView, SlotView]:
    if found.state == "paused" and found.resume_time is None:
        raise refuse_argument("automation", f"“{found.display_name}” is paused, so no time is next")
    now = run.context.runtime.now
    # A slot that has come and waits for its jitter can't be skipped.
    coming = [
        (trigger, trigger.next_slot)
        for trigger in found.triggers
        if trigger.enabled and trigger.next_slot and trigger.next_slot.fire_time > now
    ]
    if not coming:
        raise refuse_argument(
            "automation", f"“{found.display_name}” has no time left that can be skipped"
        )
    return min(coming, key=lambda one: one[1].fire_time)


async def _proposal(
    run: AgentRun,
    found: AutomationView,
    trigger: TriggerView,
    slot: SlotView,
    note: str,
    when: str,
) -> Proposal:
    payload = {
        "name": found.name,
        "trigger": f"{found.name}/triggers/{trigger.trigger_id}",
        "slot_time": rfc3339(slot.slot_time),
        "note": note,
    }
    preview = await build_preview(run, found.payload, "", known_zones=zones_of(found.payload))
    # The times before the next slot of a trigger are skipped already.
    coming = {one.trigger_id: one.next_slot.fire_time for one in found.triggers if one.next_slot}
    preview["slots"] = keep_slots(
        preview,
        lambda trigger_id, time: (
            time > slot.fire_time
            if trigger_id == trigger.trigger_id
            else time >= coming.get(trigger_id, time)
        ),
    )
    preview["notes"].append(
        f"{when} is skipped, and not made up for later. Until then the skip can be taken back, by "
        "asking for it or in the automation's view."
    )
    context: Mapping[str, Any] = {
        "automation": found.name,
        "display_name": found.display_name,
        "slot": when,
    }
    return Proposal(
        summary=summary(f"Skip {when} of {found.display_name}", preview["summary"]),
        payload=payload,
        payload_schema=fixed_schema(payload, _FIXED),
        context=context,
        preview=preview,
    )
