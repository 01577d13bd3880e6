"""`pause_automation` and `resume_automation`: each changes the state after an approval."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, AutomationView, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import (
    NOTE,
    change_tool,
    fixed_schema,
    summary,
)
from chat_service.tools.automations.consequences import estimate_consequences, read_basis
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.moment import format_for, read_moment
from chat_service.tools.automations.preview import build_preview, keep_slots, zones_of
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument, Texts
from shared.clock import rfc3339

PAUSE: Final = "pause_automation"
RESUME: Final = "resume_automation"
_UNTIL: Final = Argument(
    name="until",
    description=(
        "when it goes on by itself, as an RFC 3339 date-time with an offset; left out when the "
        "person named no end"
    ),
    most=200,
    required=False,
    format="date-time",
)
# Which automation, as it was when this was shown, and until when.
_HELD: Final = ("name", "etag", "resume_time")

_SKIPPED: Final = "What was skipped while it was paused stays skipped."
_NO_FIRE_LEFT: Final = "No fire is left: it does nothing more until its schedule is changed."


def pause_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        if not texts["until"]:
            found = await _in_state(run, texts["automation"], "active")
            return await _proposal(
                run,
                found,
                verb="Pause",
                payload={"name": found.name, "etag": found.etag, "note": texts["note"]},
                notes=["While it is paused these times are skipped, and not made up for later."],
                more={},
            )
        moment = _read_end(run, texts["until"])
        return await _propose_until(run, texts, moment)

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.pause(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            note=approved.payload.get("note", ""),
            resume_time=_read_resume_time(approved.payload),
            # approvals of an older version have none
            etag=approved.payload.get("etag", ""),
            request_id=approved.approval,
        )

    return change_tool(
        run,
        PAUSE,
        [AUTOMATION, NOTE, _UNTIL],
        action_type=ActionType.PAUSE,
        change="paused",
        propose=propose,
        apply=apply,
    )


def resume_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        found = await _in_state(run, texts["automation"], "paused")
        basis = await read_basis(run, found.payload, is_accepted=False)
        return await _proposal(
            run,
            found,
            verb="Resume",
            payload={"name": found.name, "etag": found.etag},
            notes=[_NO_FIRE_LEFT if _over(found) else _SKIPPED],
            more={"consequences": estimate_consequences(basis, found.payload)},
        )

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.resume(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            # approvals of an older version have none
            etag=approved.payload.get("etag", ""),
            request_id=approved.approval,
        )

    return change_tool(
        run,
        RESUME,
        [AUTOMATION],
        action_type=ActionType.RESUME,
        change="resumed",
        propose=propose,
        apply=apply,
    )


async def _propose_until(run: AgentRun, texts: Texts, moment: datetime) -> Proposal:
    """Proposes a pause that ends by itself. It replaces the end of one that goes on."""
    found = await find_automation(run, texts["automation"])
    until = format_for(run, moment)
    notes = [
        f"Until {until} its times are skipped, and not made up for later. From then on it runs "
        "again by itself."
    ]
    if found.state == "paused":
        notes.insert(0, "It is paused already; this replaces the note and the end of that pause.")
    resume_time = rfc3339(moment.astimezone(UTC))
    return await _proposal(
        run,
        found,
        verb="Pause",
        payload={
            "name": found.name,
            "etag": found.etag,
            "note": texts["note"],
            "resume_time": resume_time,
        },
        notes=notes,
        more={"until": until},
        until=f" until {until}",
        end=moment,
    )


def _read_end(run: AgentRun, text: str) -> datetime:
    moment = read_moment(text, "until")
    if moment <= run.context.runtime.now:
        now = format_for(run, run.context.runtime.now)
        raise refuse_argument("until", f"it is past, since it is {now} now")
    return moment


def _read_resume_time(payload: Mapping[str, Any]) -> datetime | None:
    text = payload.get("resume_time", "")
    return datetime.fromisoformat(text) if text else None


async def _in_state(run: AgentRun, called: str, state: str) -> AutomationView:
    found = await find_automation(run, called)
    if found.state != state:
        raise refuse_argument("automation", f"“{found.display_name}” is {found.state} already")
    return found


def _over(found: AutomationView) -> bool:
    enabled = [trigger for trigger in found.triggers if trigger.enabled]
    return bool(enabled) and not any(trigger.next_fire for trigger in enabled)


async def _proposal(
    run: AgentRun,
    found: AutomationView,
    *,
    verb: str,
    payload: dict[str, Any],
    notes: Sequence[str],
    more: Mapping[str, Any],
    until: str = "",
    end: datetime | None = None,
) -> Proposal:
    preview = await build_preview(run, found.payload, "", known_zones=zones_of(found.payload))
    if end is not None:
        preview["slots"] = keep_slots(preview, lambda _, time: time < end)
    preview["notes"] += notes
    return Proposal(
        summary=summary(f"{verb} {found.display_name}{until}", preview["summary"]),
        payload=payload,
        payload_schema=fixed_schema(payload, _HELD),
        context={"automation": found.name, "display_name": found.display_name, **more},
        preview=preview,
    )
