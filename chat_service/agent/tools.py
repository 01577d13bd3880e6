"""What an agent may call: chat's own tools, and capabilities for tasks."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_core.tools import BaseTool, StructuredTool

from chat_service.agent.run import Run
from chat_service.agent.text import clean_json
from shared import canonical, errors, json_schema
from shared.registries.capabilities import Capability

MAX_OUTPUT: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """One of chat's own tools. `approval` says whether a person is asked before it acts."""

    name: str
    factory: Callable[[Run], BaseTool]
    approval: Literal["always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gives. The output is what the model reads; the rest is ours."""

    output: Mapping[str, Any]
    ok: bool = True
    resource: str = ""

    def pair(self) -> tuple[str, dict[str, Any]]:
        """Content and artifact, as LangChain takes them."""
        content = json.dumps(clean_json(dict(self.output)), ensure_ascii=False)
        return content, {"ok": self.ok, "resource": self.resource}


def failed(message: str) -> ToolResult:
    return ToolResult(output={"status": "error", "message": message}, ok=False)


def _create_automation(run: Run) -> BaseTool:
    # imported when built: the tool's own imports lead back here
    from chat_service.agent.create_automation import create_automation_tool

    return create_automation_tool(run)


CREATE_AUTOMATION: Final = ToolDefinition(
    name="create_automation", factory=_create_automation, approval="always"
)
# what the main agent of a chat may use; tasks and subagents get none of these
MAIN_AGENT: Final = (CREATE_AUTOMATION,)


def tools_for(
    run: Run, disabled: Collection[str], capabilities: Mapping[str, Capability]
) -> list[BaseTool]:
    """Raises CapabilityGone for a task's tool that is not registered."""
    if run.task is None:
        return [tool.factory(run) for tool in MAIN_AGENT if tool.name not in disabled]
    return [
        capability_tool(_registered(name, capabilities))
        for name in run.task.tools
        if name not in disabled
    ]


def capability_tool(capability: Capability) -> BaseTool:
    async def call(**arguments: Any) -> tuple[str, dict[str, Any]]:
        return (await _call(capability, arguments)).pair()

    return StructuredTool(
        name=capability.id,
        description=capability.description,
        args_schema=capability.input_schema,
        coroutine=call,
        response_format="content_and_artifact",
    )


async def _call(capability: Capability, arguments: dict[str, Any]) -> ToolResult:
    if faults := json_schema.faults(capability.input_schema, arguments):
        said = "; ".join(f"{path}: {what}" if path else what for path, what in faults)
        return failed(f"the arguments are invalid: {said}")
    assert capability.handler is not None
    answer = clean_json(await capability.handler(arguments))
    output = answer if isinstance(answer, dict) else {"result": answer}
    if len(canonical.canonical_bytes(output)) > MAX_OUTPUT:
        return failed(f"the result is larger than {MAX_OUTPUT} bytes")
    return ToolResult(output=output)


def _registered(name: str, capabilities: Mapping[str, Capability]) -> Capability:
    found = capabilities.get(name)
    if found is None or found.handler is None:
        raise errors.CapabilityGone(
            f"the tool {name} is no longer registered", metadata={"capability": name}
        )
    return found
