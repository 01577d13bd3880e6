"""What an agent may call: chat's own tools, and capabilities for tasks."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from langchain_core.tools import BaseTool

from chat_service.agent.carried import carried
from chat_service.agent.events import ModelUsed
from chat_service.agent.run import Rule, Run
from chat_service.agent.text import clean_json
from shared import canonical, errors, json_schema
from shared.registries.capabilities import Capability

MAX_OUTPUT: Final = 256 * 1024
BEGINNING: Final = 8_000  # characters that are told of an output that is larger
# protobuf reads a Struct of 32, and less of one that stands within other messages
MAX_DEPTH: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool of chats. `approval` says whether a person is asked before it acts.

    What `factory` makes looks the same for every run: its description and its schema.
    """

    name: str
    factory: Callable[[Run], BaseTool]
    approval: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gives. The output is what the model reads; the rest is ours."""

    output: Mapping[str, Any]
    ok: bool = True
    resource: str = ""
    spent: Sequence[ModelUsed] = ()  # by models that the tool called in this segment

    def pair(self) -> tuple[str, dict[str, Any]]:
        """Content and artifact, as LangChain takes them."""
        content = json.dumps(clean_json(dict(self.output)), ensure_ascii=False)
        artifact: dict[str, Any] = {"ok": self.ok, "resource": self.resource}
        if self.spent:
            artifact["spent"] = [asdict(used) for used in self.spent]
        return content, artifact


def failed(message: str) -> ToolResult:
    return ToolResult(output={"status": "error", "message": message}, ok=False)


# each is imported when built: a tool's own imports lead back here


def _create_automation(run: Run) -> BaseTool:
    from chat_service.agent.create_automation import create_automation_tool

    return create_automation_tool(run)


def _update_automation(run: Run) -> BaseTool:
    from chat_service.agent.update_automation import update_automation_tool

    return update_automation_tool(run)


def _pause_automation(run: Run) -> BaseTool:
    from chat_service.agent.pause_automation import pause_automation_tool

    return pause_automation_tool(run)


def _resume_automation(run: Run) -> BaseTool:
    from chat_service.agent.pause_automation import resume_automation_tool

    return resume_automation_tool(run)


def _list_automations(run: Run) -> BaseTool:
    from chat_service.agent.list_automations import list_automations_tool

    return list_automations_tool(run)


def _explain_slot(run: Run) -> BaseTool:
    from chat_service.agent.explain_slot import explain_slot_tool

    return explain_slot_tool(run)


# what the main agent of a chat may use; tasks and subagents get none of these
MAIN_AGENT: Final = (
    ToolDefinition(name="create_automation", factory=_create_automation, approval="always"),
    ToolDefinition(name="update_automation", factory=_update_automation, approval="always"),
    ToolDefinition(name="pause_automation", factory=_pause_automation, approval="always"),
    ToolDefinition(name="resume_automation", factory=_resume_automation, approval="always"),
    ToolDefinition(name="list_automations", factory=_list_automations, approval="never"),
    ToolDefinition(name="explain_slot", factory=_explain_slot, approval="never"),
)


def tools_for(
    run: Run,
    disabled: Collection[str],
    capabilities: Mapping[str, Capability],
    more: Sequence[ToolDefinition] = (),
    own: Sequence[ToolDefinition] = MAIN_AGENT,
    may_come: Callable[[str], bool] = lambda _: False,
) -> list[ToolDefinition]:
    """`own`: the main agent's; `more`: those that chats, subagents and tasks may have.

    Raises CapabilityGone for a task's tool that is not registered, and ServiceUnavailable for
    one that `may_come`.
    """
    if run.task is None:
        return [tool for tool in (*own, *more) if tool.name not in disabled]
    ruled = {tool.name: tool for tool in more}
    return [
        ruled[name] if name in ruled else _unruled(_registered(name, capabilities, may_come))
        for name in run.task.tools
        if name not in disabled
    ]


def _unruled(capability: Capability) -> ToolDefinition:
    return ToolDefinition(name=capability.id, factory=_Bare(capability), approval="never")


@dataclass(frozen=True, eq=False, slots=True)
class _Bare:
    """Makes a capability's tool; equal to another one of the very same capability."""

    capability: Capability

    def __call__(self, run: Run) -> BaseTool:
        return capability_tool(self.capability)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bare) and other.capability is self.capability

    def __hash__(self) -> int:
        return id(self.capability)


def capability_tool(capability: Capability) -> BaseTool:
    from chat_service.agent.mapping_tool import mapping_tool

    async def carry(arguments: dict[str, Any], _: object) -> ToolResult:
        said = misfit(capability, arguments)
        return failed(said) if said else await called(capability, arguments)

    return mapping_tool(capability, carry)


def misfit(capability: Capability, arguments: Mapping[str, Any]) -> str:
    """What is wrong with the arguments of a call; empty when they fit."""
    if _deeper(arguments, MAX_DEPTH):
        return f"the arguments are nested deeper than {MAX_DEPTH} levels"
    faults = json_schema.faults(capability.input_schema, arguments)
    said = "; ".join(f"{path}: {what}" if path else what for path, what in faults)
    return f"the arguments are invalid: {said}" if said else ""


async def called(capability: Capability, arguments: dict[str, Any]) -> ToolResult:
    """Whatever comes back: the call was carried out, and is not told as one that failed."""
    assert capability.handler is not None
    answer = carried(await capability.handler(arguments), MAX_DEPTH - 1)
    output = answer if isinstance(answer, dict) else {"result": answer}
    if len(canonical.canonical_bytes(output)) > MAX_OUTPUT:
        return ToolResult(output=_cut(output))
    return ToolResult(output=output)


def _cut(output: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": "done",
        "message": f"It was carried out. Its result is larger than {MAX_OUTPUT} bytes and cut.",
        "beginning": json.dumps(output, ensure_ascii=False)[:BEGINNING],
    }


def _deeper(value: Any, levels: int) -> bool:
    match value:
        case dict():
            return levels == 0 or any(_deeper(item, levels - 1) for item in value.values())
        case list():
            return levels == 0 or any(_deeper(item, levels - 1) for item in value)
    return False


def _registered(
    name: str, capabilities: Mapping[str, Capability], may_come: Callable[[str], bool]
) -> Capability:
    found = capabilities.get(name)
    if found is None and may_come(name):
        raise errors.ServiceUnavailable(
            f"the server of the tool {name} was not reached yet; try again",
            metadata={"capability": name},
        )
    if found is None or found.handler is None:
        raise errors.CapabilityGone(
            f"the tool {name} is no longer registered", metadata={"capability": name}
        )
    return found
