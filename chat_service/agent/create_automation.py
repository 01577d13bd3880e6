"""`create_automation`: an intent → a draft → a person's decision → a saved automation."""

from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from chat_service.agent.approval import (
    Approved,
    Proposal,
    Rejected,
    ToolCall,
    request_approval,
)
from chat_service.agent.drafter import draft, issues_of, payload_schema
from chat_service.agent.ports import SavedAutomation
from chat_service.agent.preview import consequences, preview_of
from chat_service.agent.prompts import prompt
from chat_service.agent.run import Emit, Run
from chat_service.agent.text import clean, one_line
from chat_service.agent.tools import ToolResult
from shared import errors

NAME = "create_automation"
ACTION_TYPE = "automation_create"
MAX_SUMMARY = 300
MAX_INTENT = 8_000
_ARGUMENTS = {
    "type": "object",
    "properties": {
        "intent": {
            "type": "string",
            "description": "what, when and with which values, in one concrete paragraph",
        }
    },
    "required": ["intent"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    automation: str
    display_name: str
    next_fires: list[str]
    status: Literal["saved"] = "saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    reason: str
    status: Literal["rejected"] = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    issues: list[str]
    status: Literal["invalid"] = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    message: str
    status: Literal["error"] = "error"


Outcome = Saved | Declined | Invalid | Failed


class _NoDraft(Exception):
    def __init__(self, outcome: Invalid | Failed) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


def create_automation_tool(run: Run) -> BaseTool:
    async def create_automation(
        runtime: ToolRuntime[Any, Any], intent: Any = None
    ) -> tuple[str, dict[str, Any]]:
        outcome: Outcome = Invalid(issues=["intent: a text of 1 to 8,000 characters is needed"])
        if isinstance(intent, str) and 0 < len(intent.strip()) <= MAX_INTENT:
            outcome = await _carry_out(run, clean(intent), runtime)
        return ToolResult(
            output=asdict(outcome),
            ok=not isinstance(outcome, Invalid | Failed),
            resource=outcome.automation if isinstance(outcome, Saved) else "",
        ).pair()

    return StructuredTool(
        name=NAME,
        description=prompt(f"{NAME}/description"),
        # a plain schema: one that is derived from the function takes 10 ms a turn
        args_schema=_ARGUMENTS,
        coroutine=create_automation,
        response_format="content_and_artifact",
    )


async def _carry_out(run: Run, intent: str, runtime: ToolRuntime[Any, Any]) -> Outcome:
    emit: Emit = runtime.stream_writer

    async def prepare() -> Proposal:
        return await _proposal(run, intent, emit)

    try:
        decision = await request_approval(
            run, ToolCall.of(runtime), action_type=ACTION_TYPE, tool=NAME, prepare=prepare
        )
        match decision:
            case Rejected():
                return Declined(reason=decision.reason)
            case Approved():
                return await _save(run, decision)
    except _NoDraft as exc:
        return exc.outcome
    except errors.ApprovalNotGranted:
        raise
    except errors.InvalidRequest as exc:
        return Invalid(issues=issues_of(exc))
    except errors.RotaError as exc:
        return Failed(message=exc.message)


async def _proposal(run: Run, intent: str, emit: Emit) -> Proposal:
    match await draft(run, intent, emit):
        case {"payload": payload}:
            preview = await preview_of(run, payload, intent)
            return Proposal(
                summary=_summary(payload["display_name"], preview["summary"]),
                payload=payload,
                payload_schema=payload_schema(),
                context={"intent": intent, "consequences": consequences(run, payload)},
                preview=preview,
            )
        case {"issues": issues}:
            raise _NoDraft(Invalid(issues=issues))
        case {"error": message}:
            raise _NoDraft(Failed(message=message))
    raise _NoDraft(Failed(message="the draft could not be read"))


def _summary(name: str, schedule: str) -> str:
    return one_line(f"{name}: {schedule}" if schedule else name, MAX_SUMMARY)


async def _save(run: Run, decision: Approved) -> Saved:
    """Safe to repeat: the approval's id is the request id."""
    saved = await run.desk.patience.peer(
        lambda: run.desk.automations.create(
            workspace=run.context.workspace,
            user=decision.requested_by,
            payload=decision.payload,
            request_id=decision.approval,
        )
    )
    if decision.stored:
        await _note(run, decision.approval, saved)
    return Saved(
        automation=saved.name,
        display_name=str(saved.payload.get("display_name", "")),
        next_fires=list(saved.next_fires),
    )


async def _note(run: Run, approval: UUID, saved: SavedAutomation) -> None:
    await run.desk.approvals.set_resource(approval, saved.name)
