"""An action on an automation that runs once, after a person approves it, as a tool."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.llm.text import one_line
from chat_service.runtime.ports import ActionType, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import (
    ApprovalGranted,
    ApprovalRejected,
    Proposal,
    ToolCall,
    request_approval,
)
from chat_service.tools.automations.warnings.missing_destination import NOT_SENT
from chat_service.tools.results import (
    ActionRejected,
    AutomationChange,
    AutomationSaved,
    ToolOutcome,
)
from chat_service.tools.string_tool import Argument, Texts, string_tool
from shared.telemetry import logs

MAX_SUMMARY: Final = 300
NOTE: Final = Argument(
    name="note", description="why, in the person's words", most=1_000, required=False
)

log = logs.logger(__name__)

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
        return await _act_with_approval(
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


def summary(text: str, schedule: str) -> str:
    return one_line(f"{text}: {schedule}" if schedule else text, MAX_SUMMARY)


async def _act_with_approval(
    run: AgentRun,
    runtime: ToolRuntime[Any, Any],
    *,
    action_type: ActionType,
    tool: str,
    change: AutomationChange,
    prepare: Callable[[], Awaitable[Proposal]],
    act: Apply,
) -> AutomationSaved | ActionRejected:
    """Requests an approval, then runs `act`, which must be idempotent by the approval's id."""
    decision = await request_approval(
        run,
        ToolCall.from_runtime(run, runtime),
        action_type=action_type,
        tool=tool,
        prepare=prepare,
    )
    if isinstance(decision, ApprovalRejected):
        return ActionRejected(reason=decision.reason)
    approved = decision
    saved = await run.deps.retry.peer.call(
        lambda: _heard_out(_acted(run, approved, act), run.deps.timeouts.action_limit)
    )
    return AutomationSaved(
        automation=saved.name,
        display_name=_display_name(saved.payload),
        next_fires=list(saved.next_fires),
        change=change,
        left_out=list(saved.left_out),
        edited_by_person=[dict(one) for one in approved.edits],
        not_sent=[one for one in approved.warnings if one.startswith(NOT_SENT)],
    )


async def _acted(
    run: AgentRun,
    approved: ApprovalGranted,
    act: Apply,
) -> SavedAutomation:
    saved = await act(approved)
    if approved.stored and saved.name:
        await _note(run, approved.approval, saved.name)
    return saved


async def _note(run: AgentRun, approval: UUID, resource: str) -> None:
    """Stores the resource in the approval. A failure is logged only: the action is done."""
    approvals = run.deps.approvals
    try:
        await run.deps.retry.peer.call(lambda: approvals.set_resource(approval, resource))
    except Exception as error:  # noqa: BLE001 - the action itself succeeded
        log.warning(
            "approval_resource_not_kept",
            approval=str(approval),
            resource=resource,
            error=type(error).__name__,
        )


async def _heard_out(
    attempt: Coroutine[Any, Any, SavedAutomation], limit: float
) -> SavedAutomation:
    """Waits for a call. A cancellation waits a little too, since the call may save something."""
    call = asyncio.ensure_future(attempt)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        call.add_done_callback(_leave)
        await asyncio.wait([call], timeout=limit)
        raise


def _leave(call: "asyncio.Future[SavedAutomation]") -> None:
    if not call.cancelled():
        call.exception()  # retrieved, so that asyncio logs no warning


def _display_name(payload: Mapping[str, Any]) -> str:
    return str(payload.get("display_name", ""))
