"""`roll_back_automation`: an earlier version is current again, after an approval."""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.runtime.ports import (
    ActionType,
    AutomationView,
    RevisionView,
    SavedAutomation,
)
from chat_service.runtime.run_context import AgentRun, Emit
from chat_service.tools.approval import ApprovalGranted, Proposal
from chat_service.tools.automations.changes.approved_action import change_tool, summary
from chat_service.tools.automations.consequences import estimate_consequences, read_basis
from chat_service.tools.automations.deliveries import describe_difference
from chat_service.tools.automations.lookup import AUTOMATION, find_automation
from chat_service.tools.automations.preview import build_preview, note_pause, show_fires, zones_of
from chat_service.tools.diff import diff_fields
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument, Texts
from shared import errors
from shared.schedule import zones

NAME: Final = "roll_back_automation"
SHOWN: Final = 10
_VERSION: Final = Argument(
    name="version",
    description=(
        "the number of the version, such as 3, if the person named one; left out for the one "
        "before the present one"
    ),
    most=10,
    required=False,
)
_LARGEST: Final = 2**31 - 1


def roll_back_automation_tool(run: AgentRun) -> BaseTool:
    async def propose(texts: Texts, _: Emit) -> Proposal:
        number = _read_number(texts["version"])
        found = await find_automation(run, texts["automation"])
        return await _proposal(run, found, await _find_revision(run, found, number))

    async def apply(approved: ApprovalGranted) -> SavedAutomation:
        return await run.deps.automations.roll_back(
            workspace=run.context.runtime.workspace,
            user=approved.author,
            name=approved.payload["name"],
            revision=int(approved.payload["revision"]),
            etag=approved.payload["etag"],
            request_id=approved.approval,
        )

    return change_tool(
        run,
        NAME,
        [AUTOMATION, _VERSION],
        action_type=ActionType.ROLLBACK,
        change="rolled_back",
        propose=propose,
        apply=apply,
    )


def _read_number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= _LARGEST:
        raise refuse_argument("version", "the number of a version is needed, such as 3")
    return int(text)


async def _find_revision(
    run: AgentRun, automation: AutomationView, number: int | None
) -> RevisionView:
    """Returns the revision with its definition. Raises ToolStopped unless it is an earlier one."""
    present = automation.revision
    if number == present:
        raise refuse_argument("version", f"version {number} is the present one")
    earlier = [one for one in await _list_revisions(run, automation) if one.number < present]
    if not earlier:
        raise refuse_argument(
            "version", f"“{automation.display_name}” has no version before the present one"
        )
    try:
        return await _get(run, automation, number or earlier[0].number)
    except errors.RotaError as error:
        if error.code is not errors.Code.NOT_FOUND:
            raise
    there = ", ".join(_in_words(run, one) for one in earlier[:SHOWN])
    raise refuse_argument(
        "version",
        f"there is no version {number}; the present one is {present}, and before it: {there}",
    )


async def _list_revisions(run: AgentRun, automation: AutomationView) -> list[RevisionView]:
    context, automations = run.context.runtime, run.deps.automations
    found = await run.deps.retry.peer.call(
        lambda: automations.list_revisions(
            workspace=context.workspace,
            user=context.user,
            name=automation.name,
            limit=SHOWN + 1,
        )
    )
    return list(found)


async def _get(run: AgentRun, automation: AutomationView, number: int) -> RevisionView:
    context, automations = run.context.runtime, run.deps.automations
    return await run.deps.retry.peer.call(
        lambda: automations.get_revision(
            workspace=context.workspace, user=context.user, name=automation.name, revision=number
        )
    )


async def _proposal(run: AgentRun, found: AutomationView, revision: RevisionView) -> Proposal:
    after = await _checked(run, found, revision)
    changed = diff_fields(found.payload, after)
    if not changed:
        raise refuse_argument("version", f"it is as it was in version {revision.number} already")
    known = zones_of(found.payload) | zones_of(after)
    was = await build_preview(run, found.payload, "", known_zones=known)
    preview = await build_preview(run, after, "", known_zones=known)
    if found.state == "paused":
        preview = note_pause(run, after, preview, found.resume_time)
    payload = {"name": found.name, "etag": found.etag, "revision": revision.number}
    back = f"Roll {found.display_name} back to version {revision.number}"
    return Proposal(
        summary=summary(back, preview["summary"]),
        payload=payload,
        payload_schema=_schema(payload),
        context={
            "automation": found.name,
            "display_name": found.display_name,
            "version": _in_words(run, revision),
            "difference": await describe_difference(run, changed, found.payload, after),
            "fires": {"before": show_fires(was), "after": show_fires(preview)},
            "consequences": estimate_consequences(await read_basis(run, after), after),
        },
        preview=preview,
    )


async def _checked(
    run: AgentRun, found: AutomationView, revision: RevisionView
) -> Mapping[str, Any]:
    """Returns what the automation would be. Raises InvalidRequest where that can't be saved."""
    context, automations = run.context.runtime, run.deps.automations
    saved = await run.deps.retry.peer.call(
        lambda: automations.validate_roll_back(
            workspace=context.workspace,
            user=context.user,
            name=found.name,
            revision=revision.number,
            etag=found.etag,
        )
    )
    return saved.payload


def _in_words(run: AgentRun, revision: RevisionView) -> str:
    """Returns the revision with its time on the person's clock, and who made it."""
    zone = run.context.runtime.time_zone
    said = f"version {revision.number}"
    if revision.create_time is not None:
        local = revision.create_time.astimezone(zones.load(zone))
        said += f" of {local:%Y-%m-%d %H:%M} ({zone})"
    return f"{said} by {revision.author}" if revision.author else said


def _schema(payload: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"name": "string", "etag": "string", "revision": "integer"}
    return {
        "type": "object",
        "properties": {key: {"type": kind, "const": payload[key]} for key, kind in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }
