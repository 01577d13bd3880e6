"""A capability as a tool that asks a person first."""

from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.agent import once
from chat_service.agent.approval import (
    Approved,
    Proposal,
    Rejected,
    ToolCall,
    request_approval,
    was_asked,
)
from chat_service.agent.mapping_tool import mapping_tool
from chat_service.agent.outcomes import Declined, MayHaveRun, result_of
from chat_service.agent.ports import ActionType
from chat_service.agent.run import Rule, Run
from chat_service.agent.text import clean_json, one_line
from chat_service.agent.tools import (
    ToolDefinition,
    ToolResult,
    called,
    failed,
    misfit,
)
from shared import canonical
from shared.registries.capabilities import Capability

MOST_SHOWN: Final = 256 * 1024  # bytes of arguments on a card
ASKS: Final = "A person is asked before it acts; an agent_task that uses it needs auto_approve."


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A capability for tasks, and the same as a tool of chats."""

    capability: Capability
    definition: ToolDefinition


def offered(capability: Capability, rule: Rule, *, repeatable: bool = True) -> Offered:
    """`repeatable`: to do it again does no more than to do it once."""
    asks = rule == "always"
    if asks:
        capability = replace(capability, description=f"{capability.description}\n{ASKS}")
    return Offered(
        capability=capability,
        definition=ToolDefinition(
            name=capability.id,
            factory=lambda run: asked_tool(run, capability, ask=asks, repeatable=repeatable),
            approval=rule,
        ),
    )


def asked_tool(run: Run, capability: Capability, *, ask: bool, repeatable: bool = True) -> BaseTool:
    """Without `ask` it acts at once, unless it was asked for when a rule still said so."""

    async def carry(arguments: dict[str, Any], call: ToolCall) -> ToolResult:
        wanted = clean_json(arguments)
        asks = ask or await was_asked(run, call)
        if said := misfit(capability, wanted) or (asks and _unshowable(wanted)):
            return failed(said)
        if not asks:
            return await _acted(run, capability, call, wanted, repeatable)
        decision = await _decided(run, capability, call, wanted)
        if isinstance(decision, Rejected):
            return result_of(Declined(reason=decision.reason))
        wanted = dict(decision.payload["arguments"])
        # what a person has approved waits for its server a little
        return await run.desk.patience.peer(
            lambda: _acted(run, capability, call, wanted, repeatable)
        )

    return mapping_tool(capability, carry)


def _unshowable(arguments: dict[str, Any]) -> str:
    """Why a card can't hold the arguments; empty when it can."""
    try:
        size = len(canonical.canonical_bytes(canonical.normalise(arguments)))
    except canonical.NotCanonical as exc:
        return f"the arguments are invalid: {exc}"
    return f"the arguments are larger than {MOST_SHOWN} bytes" if size > MOST_SHOWN else ""


async def _decided(
    run: Run, capability: Capability, call: ToolCall, arguments: dict[str, Any]
) -> Approved | Rejected:
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


async def _acted(
    run: Run,
    capability: Capability,
    call: ToolCall,
    arguments: dict[str, Any],
    repeatable: bool,
) -> ToolResult:
    try:
        with once.in_hand(run, call, repeatable=repeatable):
            return await called(capability, arguments)
    except once.Unsure as exc:
        return failed(exc.message) if repeatable else result_of(MayHaveRun(message=exc.message))


def _payload_schema(capability: Capability) -> dict[str, Any]:
    # `$ref` points to the root, so what it points to moves there
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
