"""`backfill_slots`: runs slots that were missed or skipped, after an approval that lists them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import (
    ActionType,
    AutomationView,
    BackfillView,
    LedgerSlotView,
    SavedAutomation,
)
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import change_tool, summary
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import read_moment
from chat_service.tools.automations.preview import show_slot
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument, Texts
from shared import errors
from shared.clock import rfc3339

NAME: Final = "backfill_slots"
# A card lists all slots that it runs.
MAX_SLOTS: Final = 20
_START: Final = Argument(
    name="start",
    description="the first time that should have run, as an RFC 3339 date-time with an offset",
    most=200,
    format="date-time",
)
_END: Final = Argument(
    name="end",
    description="the last such time, in the same form; left out for one time only",
    most=200,
    required=False,
    format="date-time",
)
_NOTE: Final = (
    "Each runs once, with its own time, by the automation as it is now, one after another. What "
    "the ledger says of these times stays."
)
_CAUSES: Final[Mapping[str, str]] = {
    "has_run": "ran at their time",
    "skipped_dst": "do not exist, since clocks were changed",
    "backfilled": "were run afterwards already",
    "trigger_gone": "are of a trigger that was deleted",
    "invalid_inputs": "have inputs that the automation does not take any more",
}


def backfill_slots_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        start = read_moment(texts["start"], "start")
        end = read_moment(texts["end"], "end") if texts["end"] else start
        found = await find_automation(run, texts["automation"])
        return _proposal(found, await _find(run, found, start, end))

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.backfill(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            slots=approved.payload["slots"],
            etag=approved.payload["etag"],
            request_id=approved.approval,
        )

    return change_tool(
        run,
        NAME,
        [AUTOMATION, _START, _END],
        action_type=ActionType.BACKFILL,
        change="backfilled",
        propose=propose,
        apply=apply,
    )


async def _find(
    run: AgentRun, automation: AutomationView, start: datetime, end: datetime
) -> Sequence[LedgerSlotView]:
    """Finds the slots that can be run. Raises ToolStopped when there are none, or too many."""
    context, automations = run.context.runtime, run.deps.automations
    first = start.replace(second=0, microsecond=0)
    # a time is told to the minute
    last = end.replace(second=0, microsecond=0) + timedelta(minutes=1)
    try:
        found = await run.deps.retry.peer.call(
            lambda: automations.find_backfill(
                workspace=context.workspace,
                user=context.user,
                name=automation.name,
                start=first.astimezone(UTC),
                end=last.astimezone(UTC),
            )
        )
    except errors.InvalidRequest as refusal:
        issue = "; ".join(v.description for v in refusal.violations)
        raise refuse_argument("start", issue) from None
    except errors.StateConflict:
        issue = f"“{automation.display_name}” is {automation.state}; resume it first"
        raise refuse_argument("start", issue) from None
    if not found.slots:
        raise refuse_argument("start", f"no time in this range can be run. {_why(found)}".strip())
    if len(found.slots) > MAX_SLOTS:
        raise refuse_argument(
            "start",
            f"{len(found.slots)} times can be run, and a card lists at most {MAX_SLOTS}; the last "
            f"that it can list is {rfc3339(found.slots[MAX_SLOTS - 1].slot_time)}",
        )
    return found.slots


def _why(found: BackfillView) -> str:
    told = [f"{n} {_CAUSES.get(cause, cause)}" for cause, n in sorted(found.left_out.items())]
    return f"Of those in the ledger {', '.join(told)}." if told else ""


def _proposal(found: AutomationView, slots: Sequence[LedgerSlotView]) -> Proposal:
    configs = {one.trigger_id: one.config for one in found.triggers}
    payload = {"name": found.name, "etag": found.etag, "slots": [slot.name for slot in slots]}
    times = "one time" if len(slots) == 1 else f"{len(slots)} times"
    return Proposal(
        summary=summary(f"Run {found.display_name} for {times} that it missed", ""),
        payload=payload,
        payload_schema=_schema(payload),
        context={"automation": found.name, "display_name": found.display_name},
        preview={
            "summary": f"It runs now for {times}.",
            "slots": [
                show_slot(
                    slot.trigger_id,
                    configs.get(slot.trigger_id, {}),
                    fire_time=slot.fire_time,
                    local_time=slot.local_time,
                )
                for slot in slots
            ],
            "notes": [_NOTE],
            "time_zone_assumed": False,
        },
    )


def _schema(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "const": payload["name"]},
            "etag": {"type": "string", "const": payload["etag"]},
            "slots": {
                "type": "array",
                "const": payload["slots"],
                "items": {"type": "string"},
                "description": "the times that are run",
            },
        },
        "required": ["name", "etag", "slots"],
        "additionalProperties": False,
    }
