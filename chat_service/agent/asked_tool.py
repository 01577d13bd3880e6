"""A capability as a tool that asks a person first."""

from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from chat_service.agent.approval import Proposal, Rejected, ToolCall, request_approval
from chat_service.agent.outcomes import Declined, result_of
from chat_service.agent.ports import ActionType
from chat_service.agent.run import Run
from chat_service.agent.text import clean_json, one_line
from chat_service.agent.tools import ToolResult, called, capability_tool, failed, misfit
from shared.registries.capabilities import Capability


def asked_tool(run: Run, capability: Capability, *, ask: bool) -> BaseTool:
    """Without `ask` it is the capability as it is."""
    if not ask:
        return capability_tool(capability)

    async def call(runtime: ToolRuntime[Any, Any], **arguments: Any) -> tuple[str, dict[str, Any]]:
        return (await _call(run, capability, runtime, clean_json(arguments))).pair()

    return StructuredTool(
        name=capability.id,
        description=capability.description,
        args_schema=capability.input_schema,
        coroutine=call,
        response_format="content_and_artifact",
    )


async def _call(
    run: Run, capability: Capability, runtime: ToolRuntime[Any, Any], arguments: dict[str, Any]
) -> ToolResult:
    if said := misfit(capability, arguments):
        return failed(said)

    async def prepare() -> Proposal:
        return Proposal(
            summary=one_line(f"Use {capability.id}", 300),
            payload={"tool": capability.id, "arguments": arguments},
            payload_schema=_payload_schema(capability),
            context={"tool": capability.id, "description": capability.description},
            preview={},
        )

    decision = await request_approval(
        run,
        ToolCall.of(runtime),
        action_type=ActionType.TOOL_CALL,
        tool=capability.id,
        prepare=prepare,
    )
    if isinstance(decision, Rejected):
        return result_of(Declined(reason=decision.reason))
    return await called(capability, dict(decision.payload["arguments"]))


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
