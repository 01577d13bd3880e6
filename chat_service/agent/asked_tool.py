"""A capability as a tool that asks a person first."""

from dataclasses import dataclass, replace
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from chat_service.agent import once
from chat_service.agent.approval import (
    Approved,
    Proposal,
    Rejected,
    ToolCall,
    request_approval,
)
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
from shared.registries.capabilities import Capability

INTERRUPTED: Final = (
    "The service was interrupted during this call, so it may have been carried out and may not. "
    "Find out before it is done again."
)
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
    """Without `ask` it acts at once."""

    async def call(runtime: ToolRuntime[Any, Any], **arguments: Any) -> tuple[str, dict[str, Any]]:
        wanted, tool_call = clean_json(arguments), ToolCall.of(runtime)
        if said := misfit(capability, wanted):
            return failed(said).pair()
        if ask:
            decision = await _decided(run, capability, tool_call, wanted)
            if isinstance(decision, Rejected):
                return result_of(Declined(reason=decision.reason)).pair()
            wanted = dict(decision.payload["arguments"])
        return (await _acted(run, capability, tool_call, wanted, repeatable)).pair()

    return StructuredTool(
        name=capability.id,
        description=capability.description,
        args_schema=capability.input_schema,
        coroutine=call,
        response_format="content_and_artifact",
    )


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
    if not repeatable and not await once.begins(run, call):
        return result_of(MayHaveRun(message=INTERRUPTED))
    with once.keyed(run, call):
        return await called(capability, arguments)


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
