"""A tool that changes an automation after a person approves the change."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

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
