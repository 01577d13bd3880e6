"""Human approval of a tool call: stored once, shown, and decided before the call runs."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any
from uuid import UUID, uuid5

from langchain.tools import ToolRuntime
from langgraph.types import interrupt

from chat_service.runtime.ports import ApprovalDraft, StoredApproval
from chat_service.runtime.run_context import AgentRun, Emit, ignore_event
from chat_service.tools.diff import diff_fields
from shared import errors
from shared.json.json_path import join_path
from shared.text.invisible_characters import find_invisible

MOST_WARNINGS = 20
# How a warning of a repaired call begins.
REPAIRED = "The model's call was repaired: "
MOST_EDITS = 20
MOST_SHOWN = 500  # characters of an edited text
UNREADABLE = "the decision could not be read, so nothing was done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An action that a tool proposes, with what a person needs to judge it."""

    summary: str
    payload: Mapping[str, Any]
    payload_schema: Mapping[str, Any]
    context: Mapping[str, Any]
    preview: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGranted:
    approval: UUID  # the request id of the approved action
    payload: Mapping[str, Any]
    author: str  # the user for whom it is done
    edits: tuple[Mapping[str, Any], ...] = ()  # what the person changed, field by field
    warnings: tuple[str, ...] = ()  # of the card
    stored: bool = True  # False if a task's step granted it in advance


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRejected:
    reason: str


@dataclass(slots=True)
class ToolCall:
    """One call of a tool. A rerun of the tool has a new one, which counts from 0 again."""

    id: str
    place: str  # the call's place in the graph, the same before and after a pause
    ordinals: "count[int]" = field(default_factory=count)
    emit: Emit = ignore_event  # to the stream of the turn

    @classmethod
    def from_runtime(cls, run: AgentRun, runtime: ToolRuntime[Any, Any]) -> "ToolCall":
        place = runtime.config["configurable"]["checkpoint_ns"]
        return cls(id=runtime.tool_call_id or "", place=place, emit=run.emit)


async def request_approval(
    run: AgentRun,
    call: ToolCall,
    *,
    action_type: str,
    tool: str,
    prepare: Callable[[], Awaitable[Proposal]],
) -> ApprovalGranted | ApprovalRejected:
    """Pauses the turn until a person decides.

    `prepare` runs once for a call, even if the tool runs again: its first proposal is shown and
    approved. Anything that is not an approval is a rejection. A task asks nobody; it raises
    ApprovalNotGranted unless its step granted the approval.
    """
    key = _key(run, call, next(call.ordinals))
    if run.context.task is not None:
        return await _unattended(run, key, tool, prepare)
    approvals, again, turn = run.deps.approvals, run.deps.retry.peer.call, run.context.runtime.turn
    stored = await again(lambda: approvals.find(turn, key))
    if stored is None:
        draft = new_draft(run, key, action_type, call, await prepare())
        stored = await again(lambda: approvals.store(turn, draft))
    shown = stored.id
    answer = interrupt({"approval": str(shown), "segment": run.context.segment})
    if answer != {"approval": str(shown)}:
        return ApprovalRejected(reason=UNREADABLE)
    return _outcome(await again(lambda: approvals.get(shown)))


async def has_approval(run: AgentRun, call: ToolCall) -> bool:
    """Returns whether an earlier segment requested an approval of the call, by its rules then."""
    if not run.context.decided:
        return False
    key = _key(run, call, 0)
    return await run.deps.retry.peer.call(lambda: _is_stored(run, key))


async def _is_stored(run: AgentRun, key: str) -> bool:
    return await run.deps.approvals.find(run.context.runtime.turn, key) is not None


def _key(run: AgentRun, call: ToolCall, ordinal: int) -> str:
    return f"{call_place(run, call)}:{ordinal}"


def call_place(run: AgentRun, call: ToolCall) -> str:
    """Returns the place of a call in its turn."""
    # each subagent's graph has its own places
    return f"{run.context.subagent.number}/{call.place}" if run.context.subagent else call.place


def new_draft(
    run: AgentRun, key: str, action_type: str, call: ToolCall, proposal: Proposal
) -> ApprovalDraft:
    """Returns the approval of a proposal, with warnings and what a subagent works for."""
    wanted_by, tool_call_id = {}, call.id
    if run.context.subagent:
        wanted_by = {"subagent": run.context.subagent.subagent, "task": run.context.subagent.task}
        tool_call_id = run.context.subagent.tool_call_id
    return ApprovalDraft(
        key=key,
        action_type=action_type,
        tool_call_id=tool_call_id,
        summary=proposal.summary,
        payload=proposal.payload,
        payload_schema=proposal.payload_schema,
        context={**_with_warnings(proposal, run.state.repairs.get(call.id, ())), **wanted_by},
        preview=proposal.preview,
    )


def _with_warnings(proposal: Proposal, repairs: Sequence[str]) -> dict[str, Any]:
    """Returns the context, with a warning of each field that holds invisible characters.

    `repairs` of the call's arguments are a warning too.
    """
    found = find_invisible_fields(proposal.payload)
    if repairs:
        done = "; ".join(repairs)
        found.insert(0, f"{REPAIRED}{done}.")
    if not found:
        return dict(proposal.context)
    return {**proposal.context, "warnings": [*proposal.context.get("warnings", ()), *found]}


def find_invisible_fields(payload: Mapping[str, Any]) -> list[str]:
    """Returns a warning of each field that holds invisible characters, of 20 at most."""
    return list(islice(_invisible(payload, ""), MOST_WARNINGS))


def _invisible(value: Any, path: str) -> Iterator[str]:
    match value:
        case str():
            if names := sorted({str(found) for found in find_invisible(value)}):
                listed = ", ".join(names[:5])
                yield f"{path[:200] or 'The payload'} holds invisible characters: {listed}."
        case Mapping():
            for key, item in value.items():
                if names := sorted({str(found) for found in find_invisible(key)}):
                    yield f"A name in {path[:200] or 'the payload'} holds {', '.join(names[:5])}."
                yield from _invisible(item, join_path(path, [key]))
        case list():
            for at, item in enumerate(value):
                yield from _invisible(item, f"{path}[{at}]")


def _outcome(stored: StoredApproval | None) -> ApprovalGranted | ApprovalRejected:
    match stored:
        case StoredApproval(state="approved"):
            return ApprovalGranted(
                approval=stored.id,
                payload=stored.payload,
                author=stored.author,
                edits=_edits(stored),
                warnings=tuple(str(one) for one in stored.context.get("warnings") or ()),
            )
        case StoredApproval(state="rejected"):
            return ApprovalRejected(reason=stored.reason)
        case StoredApproval(state="expired" | "cancelled"):
            return ApprovalRejected(reason=stored.state)
    return ApprovalRejected(reason=UNREADABLE)


def _edits(stored: StoredApproval) -> tuple[Mapping[str, Any], ...]:
    if stored.proposed is None:
        return ()
    found = diff_fields(stored.proposed, stored.payload)[:MOST_EDITS]
    return tuple({key: _shown(value) for key, value in one.items()} for one in found)


def _shown(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MOST_SHOWN:
        return f"{value[:MOST_SHOWN]} […]"
    return value


async def _unattended(
    run: AgentRun, key: str, tool: str, prepare: Callable[[], Awaitable[Proposal]]
) -> ApprovalGranted:
    if run.context.task is None or not run.context.task.auto_approve:
        raise errors.ApprovalNotGranted(
            f"{tool} wants an approval, and the step does not grant it", metadata={"tool": tool}
        )
    proposal = await prepare()
    return ApprovalGranted(
        approval=uuid5(run.context.runtime.turn, key),
        payload=proposal.payload,
        author=run.context.runtime.user,
        stored=False,
    )
