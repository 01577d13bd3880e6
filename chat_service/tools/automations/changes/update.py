"""`update_automation`: a change in words → a draft → an approval → a saved revision."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import ActionType, SavedAutomation
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import change_tool, summary
from chat_service.tools.automations.consequences import estimate_consequences, read_basis
from chat_service.tools.automations.deliveries import describe_difference
from chat_service.tools.automations.drafts.drafter import draft_warnings, payload_schema, revise
from chat_service.tools.automations.lookup import AUTOMATION
from chat_service.tools.automations.preview import (
    build_preview,
    note_pause,
    show_fires,
    zones_of,
)
from chat_service.tools.automations.warnings.intent_conflict import find_conflicts
from chat_service.tools.diff import diff_fields
from chat_service.tools.results import (
    ArgumentsInvalid,
    EtagConflict,
    NothingToChange,
    ToolFailed,
    ToolStopped,
)
from chat_service.tools.string_tool import Argument, Texts

NAME: Final = "update_automation"
_CHANGE: Final = Argument(
    name="change", description="what is to be different, in plain words", most=8_000
)
_HELD: Final = ("name", "etag")  # which automation, and as it was when this was drafted


def update_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, emit: Emit) -> Proposal:
        return await _proposal(run, texts, emit)

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.update(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            payload=approved.payload,
            request_id=approved.approval,
        )

    return change_tool(
        run,
        NAME,
        [AUTOMATION, _CHANGE],
        action_type=ActionType.UPDATE,
        change="updated",
        propose=propose,
        apply=apply,
    )


async def _proposal(run: AgentRun, texts: Texts, emit: Emit) -> Proposal:
    match await revise(run, texts["automation"], texts["change"], emit):
        case {"payload": payload, "before": before, "state": state, **more}:
            if not _list_changes(before, payload):
                raise ToolStopped(_describe_no_change(before, more))
            pause = str(more.get("pause_end", "")) if state == "paused" else None
            shown = await _shown(run, texts["change"], payload, before, pause)
            context = run.context.runtime
            conflicts = find_conflicts(
                texts["change"], payload, zone=context.time_zone, now=context.now, is_new=False
            )
            return replace(shown, context={**shown.context, **draft_warnings(more, conflicts)})
        case {"issues": issues}:
            raise ToolStopped(ArgumentsInvalid(issues=issues))
        case {"reason": "conflict", "message": message}:
            raise ToolStopped(EtagConflict(message=message))
        case {"message": message}:
            raise ToolStopped(ToolFailed(message=message))
    raise ToolStopped(ToolFailed(message="the draft could not be read"))


def _without_held(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key not in _HELD}


def _list_changes(before: Mapping[str, Any], payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    return diff_fields(before, _without_held(payload))


def _describe_no_change(
    before: Mapping[str, Any], drawn: Mapping[Any, Any]
) -> NothingToChange | ArgumentsInvalid:
    """Returns why a draft changes nothing: what is missing for it, or that it is so already."""
    if said := [*(drawn.get("missing") or ()), *(drawn.get("notes") or ())]:
        return ArgumentsInvalid(issues=said)
    return NothingToChange(display_name=str(before.get("display_name", "")))


async def _shown(
    run: AgentRun,
    change: str,
    payload: Mapping[str, Any],
    before: Mapping[str, Any],
    pause: str | None,
) -> Proposal:
    after = _without_held(payload)
    was = await build_preview(run, before, change, known_zones=zones_of(before))
    preview = await build_preview(run, after, change, known_zones=zones_of(before))
    basis = await read_basis(run, after)
    if pause is not None:
        end = datetime.fromisoformat(pause) if pause else None
        preview = note_pause(run, after, preview, end)
    return Proposal(
        summary=summary(f"Change {before['display_name']}", preview["summary"]),
        payload=payload,
        payload_schema=_schema(payload),
        context={
            "automation": payload["name"],
            "change": change,
            "difference": await describe_difference(
                run, _list_changes(before, payload), before, after
            ),
            "fires": {"before": show_fires(was), "after": show_fires(preview)},
            "consequences": estimate_consequences(basis, after),
        },
        preview=preview,
    )


def _schema(payload: Mapping[str, Any]) -> dict[str, Any]:
    schema = payload_schema()
    held = {key: {"type": "string", "const": payload[key]} for key in _HELD}
    schema["properties"] = {**held, **schema["properties"]}
    schema["required"] = [*_HELD, *schema.get("required", [])]
    return schema
