"""`create_automation`: an intent → a draft → an approval → a saved automation."""

from typing import Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import change_tool, summary
from chat_service.tools.automations.consequences import estimate_consequences, read_basis
from chat_service.tools.automations.drafts.drafter import draft, draft_warnings, payload_schema
from chat_service.tools.automations.preview import build_preview
from chat_service.tools.automations.warnings.intent_conflict import find_conflicts
from chat_service.tools.results import ArgumentsInvalid, ToolFailed, ToolStopped
from chat_service.tools.string_tool import Argument, Texts

NAME: Final = "create_automation"
_INTENT: Final = Argument(
    name="intent",
    description="what, when and with which values, in one concrete paragraph",
    most=8_000,
)


def create_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, emit: Emit) -> Proposal:
        return await _proposal(run, texts["intent"], emit)

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        workspace = run.context.runtime.workspace
        saved = await run.deps.automations.create(
            workspace=workspace,
            user=approved.author,
            payload=approved.payload,
            request_id=approved.approval,
        )
        run.deps.note_automation(workspace)
        return saved

    return change_tool(
        run,
        NAME,
        [_INTENT],
        action_type=ActionType.CREATE,
        change="created",
        propose=propose,
        apply=apply,
    )


async def _proposal(run: AgentRun, intent: str, emit: Emit) -> Proposal:
    match await draft(run, intent, emit):
        case {"payload": payload, **more}:
            preview = await build_preview(run, payload, intent)
            basis, context = await read_basis(run, payload), run.context.runtime
            conflicts = find_conflicts(
                intent, payload, zone=context.time_zone, now=context.now, is_new=True
            )
            return Proposal(
                summary=summary(payload["display_name"], preview["summary"]),
                payload=payload,
                payload_schema=payload_schema(),
                context={
                    "intent": intent,
                    "consequences": estimate_consequences(basis, payload),
                    **draft_warnings(more, conflicts),
                },
                preview=preview,
            )
        case {"issues": issues}:
            raise ToolStopped(ArgumentsInvalid(issues=issues))
        case {"error": message}:
            raise ToolStopped(ToolFailed(message=message))
    raise ToolStopped(ToolFailed(message="the draft could not be read"))
