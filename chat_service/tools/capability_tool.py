"""A registered capability as a tool of the agent: its arguments, its output, its approval."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import SkipValidation
from typing_extensions import override

from chat_service.llm.text import clean_json, one_line
from chat_service.runtime.ports import ActionType
from chat_service.runtime.run_context import AgentRun, ApprovalRule, Emit
from chat_service.tools import idempotency
from chat_service.tools.approval import (
    ApprovalGranted,
    ApprovalRejected,
    Proposal,
    ToolCall,
    has_approval,
    request_approval,
)
from chat_service.tools.capability_result import MAX_DEPTH, call_capability
from chat_service.tools.definition import ToolDefinition, ToolResult, error_result
from chat_service.tools.question import (
    Answer,
    Answers,
    QuestionAsked,
    read_answers,
    request_answer,
)
from chat_service.tools.results import ActionRejected, OutcomeUnknownResult, to_result, with_edits
from shared.json import canonical_json
from shared.registries.capabilities.types import Capability

MAX_ARGUMENTS: Final = 256 * 1024  # bytes, in an approval
ASKS: Final = (
    "A person is asked before it acts; an unattended task that uses it needs auto_approve."
)

# Carries out one call of a tool.
CallHandler = Callable[[dict[str, Any], ToolCall], Awaitable[ToolResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOffer:
    """A capability for tasks, and its tool for chats."""

    capability: Capability
    definition: ToolDefinition


def offer_tool(
    capability: Capability,
    rule: ApprovalRule,
    *,
    repeatable: bool = True,
    reads_only: bool = False,
    questions: bool = False,
) -> ToolOffer:
    """Returns a capability with its tool. `repeatable` means idempotent.

    With `questions` a call in a chat may ask a person something.
    """
    asks = rule == "always"
    if asks:
        capability = replace(capability, description=f"{capability.description}\n{ASKS}")
    return ToolOffer(
        capability=capability,
        definition=ToolDefinition(
            name=capability.id,
            factory=lambda run: approval_tool(
                run, capability, ask=asks, repeatable=repeatable, questions=questions
            ),
            approval=rule,
            reads_only=reads_only and not asks,
        ),
    )


def approval_tool(
    run: AgentRun,
    capability: Capability,
    *,
    ask: bool,
    repeatable: bool = True,
    questions: bool = False,
) -> BaseTool:
    """Returns the tool of a capability that has an approval rule.

    Without `ask` a call needs no approval, unless one was requested before.
    """

    async def handle_call(arguments: dict[str, Any], call: ToolCall) -> ToolResult:
        wanted = clean_json(arguments)
        asks = ask or await has_approval(run, call)
        if said := await argument_error(run, capability, wanted) or (asks and _unshowable(wanted)):
            return error_result(said)
        if not asks:
            return await carry_out(wanted, call, decided=False)
        decision = await _request_decision(run, capability, call, wanted)
        if isinstance(decision, ApprovalRejected):
            return to_result(ActionRejected(reason=decision.reason))
        wanted = dict(decision.payload["arguments"])
        return with_edits(await carry_out(wanted, call, decided=True), decision.edits)

    async def carry_out(wanted: dict[str, Any], call: ToolCall, *, decided: bool) -> ToolResult:
        may_ask = questions and run.context.task is None
        given = await read_answers(run, call) if may_ask else ()
        while True:
            try:
                return await attempt(wanted, call, given if may_ask else None, decided)
            except QuestionAsked as exc:
                given = await request_answer(run, call, exc.question, given)

    async def attempt(
        wanted: dict[str, Any], call: ToolCall, given: Sequence[Answer] | None, decided: bool
    ) -> ToolResult:
        async def once() -> ToolResult:
            answers = None if given is None else Answers(given)
            return await _call_once(run, capability, call, wanted, repeatable, answers)

        # retry: a call that a person decided outlives a short outage of its MCP server
        return await (run.deps.retry.peer.call(once) if decided or given else once())

    return mapping_tool(capability, handle_call, run.emit)


def capability_tool(run: AgentRun, capability: Capability) -> BaseTool:
    """Returns the tool of a capability that has no approval rule: its calls need no approval."""

    async def handle_call(arguments: dict[str, Any], _: object) -> ToolResult:
        said = await argument_error(run, capability, arguments)
        return error_result(said) if said else await call_capability(capability, arguments)

    return mapping_tool(capability, handle_call)


def _unshowable(arguments: dict[str, Any]) -> str:
    """Returns why an approval can't show the arguments; empty when it can."""
    try:
        size = len(canonical_json.canonical_bytes(canonical_json.normalise(arguments)))
    except canonical_json.NotCanonical as exc:
        return f"the arguments are invalid: {exc}"
    return f"the arguments are larger than {MAX_ARGUMENTS} bytes" if size > MAX_ARGUMENTS else ""


async def _request_decision(
    run: AgentRun, capability: Capability, call: ToolCall, arguments: dict[str, Any]
) -> ApprovalGranted | ApprovalRejected:
    async def prepare() -> Proposal:
        return Proposal(
            summary=one_line(f"Use {capability.id}", 300),
            payload={"tool": capability.id, "arguments": arguments},
            payload_schema=_payload_schema(capability),
            context={"tool": capability.id, "description": capability.description},
            preview={},
        )

    return await request_approval(
        run, call, action_type=ActionType.TOOL_CALL, tool=capability.id, prepare=prepare
    )


async def _call_once(
    run: AgentRun,
    capability: Capability,
    call: ToolCall,
    arguments: dict[str, Any],
    repeatable: bool,
    answers: Answers | None,
) -> ToolResult:
    try:
        with idempotency.call_in_progress(run, call, repeatable=repeatable, answers=answers):
            return await call_capability(capability, arguments)
    except idempotency.OutcomeUnknown as exc:
        return (
            error_result(exc.message)
            if repeatable
            else to_result(OutcomeUnknownResult(message=exc.message))
        )


def _payload_schema(capability: Capability) -> dict[str, Any]:
    # a `$ref` points to the root, so definitions move there
    arguments = dict(capability.input_schema)
    moved: dict[str, Any] = {
        key: arguments.pop(key) for key in ("$defs", "definitions") if key in arguments
    }
    return {
        "type": "object",
        "properties": {"tool": {"const": capability.id}, "arguments": arguments},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
        **moved,
    }


async def argument_error(
    run: AgentRun, capability: Capability, arguments: Mapping[str, Any]
) -> str:
    """Returns what is wrong with the arguments of a call; empty if they are valid."""
    if said := nesting_error(arguments):
        return said
    faults = await run.deps.checks.find_faults(
        capability.input_schema, arguments, workspace=run.context.runtime.workspace
    )
    said = "; ".join(f"{path}: {what}" if path else what for path, what in faults)
    return f"the arguments are invalid: {said}" if said else ""


def nesting_error(arguments: Mapping[str, Any]) -> str:
    """Returns the error of arguments that are nested too deeply; empty for others."""
    deep = _deeper(arguments, MAX_DEPTH)
    return f"the arguments are nested deeper than {MAX_DEPTH} levels" if deep else ""


def _deeper(value: Any, levels: int) -> bool:
    match value:
        case dict():
            return levels == 0 or any(_deeper(item, levels - 1) for item in value.values())
        case list():
            return levels == 0 or any(_deeper(item, levels - 1) for item in value)
    return False


def mapping_tool(
    capability: Capability, handle_call: CallHandler, emit: Emit | None = None
) -> BaseTool:
    """Returns a tool with the capability's name and schema, whose calls `handle_call` gets.

    The calls send events to `emit`, if it is given.
    """
    return _MappingTool(
        name=capability.id,
        description=capability.description,
        args_schema=capability.input_schema,
        handle_call=handle_call,
        emit=emit,
    )


class _MappingTool(BaseTool):
    """Passes arguments as one mapping: LangChain reserves names such as `config`."""

    handle_call: SkipValidation[CallHandler]
    emit: SkipValidation[Emit | None] = None

    @override
    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ToolMessage:
        place = (config or {}).get("configurable", {}).get("checkpoint_ns", "")
        call = ToolCall(id=input["id"] or "", place=place)
        if self.emit is not None:
            call.emit = self.emit
        content, artifact = (await self.handle_call(dict(input["args"]), call)).to_langchain()
        return ToolMessage(content, artifact=artifact, name=self.name, tool_call_id=call.id)

    @override
    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{self.name} is called with ainvoke")
