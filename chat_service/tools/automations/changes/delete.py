"""`delete_automation`: an automation goes for good, after an approval."""

from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, AutomationView, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import (
    change_tool,
    fixed_schema,
    summary,
)
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.preview import build_preview, zones_of
from chat_service.tools.string_tool import Texts

NAME: Final = "delete_automation"
_FIXED: Final = ("name", "etag", "display_name")
_NOTE: Final = (
    "It goes with its versions, its runs and their outputs, and this can't be taken back. A run "
    "that goes on now stops. What it delivered stays where it is. To stop it only for a while, "
    "pause it."
)


def delete_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        return await _proposal(run, await find_automation(run, texts["automation"]))

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        payload = approved.payload
        await run.deps.automations.delete(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=payload["name"],
            etag=payload["etag"],
            request_id=approved.approval,
        )
        # nothing has the name any more
        return SavedAutomation(name="", payload={"display_name": payload["display_name"]})

    return change_tool(
        run,
        NAME,
        [AUTOMATION],
        action_type=ActionType.DELETE,
        change="deleted",
        propose=propose,
        apply=apply,
    )


async def _proposal(run: AgentRun, found: AutomationView) -> Proposal:
    payload: dict[str, Any] = {
        "name": found.name,
        "etag": found.etag,
        "display_name": found.display_name,
    }
    preview = await build_preview(run, found.payload, "", known_zones=zones_of(found.payload))
    if found.state == "paused" and found.resume_time is None:
        preview["slots"] = []
        preview["notes"].append("It is paused, so none of its times comes anyway.")
    preview["notes"].append(_NOTE)
    return Proposal(
        summary=summary(f"Delete {found.display_name} for good", preview["summary"]),
        payload=payload,
        payload_schema=fixed_schema(payload, _FIXED),
        context={
            "automation": found.name,
            "display_name": found.display_name,
            "last_run": found.last_run or "none yet",
        },
        preview=preview,
    )
