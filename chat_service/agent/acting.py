"""A tool's act on an automation: asked for, approved, and then done once."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from langchain.tools import ToolRuntime

from chat_service.agent.approval import Approved, Proposal, Rejected, ToolCall, request_approval
from chat_service.agent.outcomes import Declined, Saved
from chat_service.agent.ports import ActionType, SavedAutomation
from chat_service.agent.run import Run
from chat_service.agent.text import one_line

MAX_SUMMARY: Final = 300

Change = Literal["created", "updated", "paused", "resumed"]


async def act_with_approval(
    run: Run,
    runtime: ToolRuntime[Any, Any],
    *,
    action_type: ActionType,
    tool: str,
    change: Change,
    prepare: Callable[[], Awaitable[Proposal]],
    act: Callable[[Approved], Awaitable[SavedAutomation]],
) -> Saved | Declined:
    """`act` is given what was decided, and is safe to repeat: the approval is its request id."""
    decision = await request_approval(
        run, ToolCall.of(runtime), action_type=action_type, tool=tool, prepare=prepare
    )
    if isinstance(decision, Rejected):
        return Declined(reason=decision.reason)
    approved = decision
    saved = await run.desk.patience.peer(lambda: act(approved))
    if approved.stored:
        await run.desk.approvals.set_resource(approved.approval, saved.name)
    return Saved(
        automation=saved.name,
        display_name=display_name(saved.payload),
        next_fires=[] if change == "paused" else list(saved.next_fires),
        change=change,
    )


def display_name(payload: Mapping[str, Any]) -> str:
    return str(payload.get("display_name", ""))


def summary(text: str, schedule: str) -> str:
    return one_line(f"{text}: {schedule}" if schedule else text, MAX_SUMMARY)
