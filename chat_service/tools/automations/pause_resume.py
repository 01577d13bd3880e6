"""`pause_automation` and `resume_automation`: each changes the state after an approval."""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, AutomationView, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.approved_action import summary
from chat_service.tools.automations.change_tool import change_tool
from chat_service.tools.automations.consequences import estimate_consequences
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.preview import build_preview, zones_of
from chat_service.tools.results import ArgumentsInvalid, ToolStopped
from chat_service.tools.string_tool import Argument, Texts

PAUSE: Final = "pause_automation"
RESUME: Final = "resume_automation"
_NOTE: Final = Argument(
    name="note", description="why, in the person's words", most=1_000, required=False
)
_HELD: Final = ("name", "etag")  # which automation, and as it was when this was shown

_SKIPPED: Final = "What was skipped while it was paused stays skipped."
_NO_FIRE_LEFT: Final = "No fire is left: it does nothing more until its schedule is changed."


def pause_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        found = await _in_state(run, texts["automation"], "active")
        return await _proposal(
            run,
            found,
            verb="Pause",
            payload={"name": found.name, "note": texts["note"]},
            note="While it is paused these times are skipped, and not made up for later.",
            more={},
        )

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.pause(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            note=approved.payload.get("note", ""),
            request_id=approved.approval,
        )

    return change_tool(
        run,
        PAUSE,
        [AUTOMATION, _NOTE],
        action_type=ActionType.PAUSE,
        change="paused",
        propose=propose,
        apply=apply,
    )


def resume_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        found = await _in_state(run, texts["automation"], "paused")
        return await _proposal(
            run,
            found,
            verb="Resume",
            payload={"name": found.name, "etag": found.etag},
            note=_NO_FIRE_LEFT if _over(found) else _SKIPPED,
            more={"consequences": estimate_consequences(run, found.payload)},
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


async def _in_state(run: AgentRun, called: str, state: str) -> AutomationView:
    found = await find_automation(run, called)
    if found.state != state:
        raise ToolStopped(
            ArgumentsInvalid(
                issues=[f"automation: “{found.display_name}” is {found.state} already"]
            )
        )
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
    note: str,
    more: Mapping[str, Any],
) -> Proposal:
    preview = await build_preview(run, found.payload, "", known_zones=zones_of(found.payload))
    preview["notes"].append(note)
    return Proposal(
        summary=summary(f"{verb} {found.display_name}", preview["summary"]),
        payload=payload,
        payload_schema=_schema(payload),
        context={"automation": found.name, "display_name": found.display_name, **more},
        preview=preview,
    )


def _schema(payload: dict[str, Any]) -> dict[str, Any]:
    held = [key for key in _HELD if key in payload]
    fields: dict[str, Any] = {key: {"type": "string", "const": payload[key]} for key in held}
    if "note" in payload:
        fields["note"] = {
            "type": "string",
            "maxLength": _NOTE.most,
            "description": _NOTE.description,
        }
    return {
        "type": "object",
        "properties": fields,
        "required": held,
        "additionalProperties": False,
    }
