"""A tool that changes an automation after a person approves the change."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.approved_action import act_with_approval
from chat_service.tools.results import AutomationChange, ToolOutcome
from chat_service.tools.string_tool import Argument, Texts, string_tool

Propose = Callable[[Texts, Emit], Awaitable[Proposal]]
Apply = Callable[[ApprovalGranted], Awaitable[SavedAutomation]]

NOTE: Final = Argument(
    name="note", description="why, in the person's words", most=1_000, required=False
)


def change_tool(
    run: AgentRun,
    name: str,
    arguments: Sequence[Argument],
    *,
    action_type: ActionType,
    change: AutomationChange,
    propose: Propose,
    apply: Apply,
) -> BaseTool:
    """Returns the tool. `propose` runs once a call; `apply` is idempotent by the approval's id."""

    async def action(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        return await act_with_approval(
            run,
            runtime,
            action_type=action_type,
            tool=name,
            change=change,
            prepare=lambda: propose(texts, run.emit),
            act=apply,
        )

    return string_tool(name, arguments, action)


def fixed_schema(payload: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """Returns the schema of a payload of which a person may change the note alone."""
    held = [key for key in fixed if key in payload]
    fields: dict[str, Any] = {key: {"type": "string", "const": payload[key]} for key in held}
    if "note" in payload:
        fields["note"] = {
            "type": "string",
            "maxLength": NOTE.most,
            "description": NOTE.description,
        }
    return {
        "type": "object",
        "properties": fields,
        "required": held,
        "additionalProperties": False,
    }
