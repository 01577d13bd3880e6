"""An action on an automation that runs once, after a person approves it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final
from uuid import UUID

from langchain.tools import ToolRuntime

from chat_service.llm.text import one_line
from chat_service.runtime.ports import ActionType, SavedAutomation
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.approval import (
    ApprovalGranted,
    ApprovalRejected,
    Proposal,
    ToolCall,
    request_approval,
)
from chat_service.tools.automations.warnings.missing_destination import NOT_SENT
from chat_service.tools.results import ActionRejected, AutomationChange, AutomationSaved
from shared.telemetry import logs

MAX_SUMMARY: Final = 300

log = logs.logger(__name__)


async def act_with_approval(
    run: AgentRun,
    runtime: ToolRuntime[Any, Any],
    *,
    action_type: ActionType,
    tool: str,
    change: AutomationChange,
    prepare: Callable[[], Awaitable[Proposal]],
    act: Callable[[ApprovalGranted], Awaitable[SavedAutomation]],
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
        display_name=display_name(saved.payload),
        next_fires=list(saved.next_fires),
        change=change,
        left_out=list(saved.left_out),
        edited_by_person=[dict(one) for one in approved.edits],
        not_sent=[one for one in approved.warnings if one.startswith(NOT_SENT)],
    )


async def _acted(
    run: AgentRun,
    approved: ApprovalGranted,
    act: Callable[[ApprovalGranted], Awaitable[SavedAutomation]],
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


def display_name(payload: Mapping[str, Any]) -> str:
    return str(payload.get("display_name", ""))


def summary(text: str, schedule: str) -> str:
    return one_line(f"{text}: {schedule}" if schedule else text, MAX_SUMMARY)
