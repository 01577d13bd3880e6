"""The tools of an agent: the main agent's own, capabilities and tools of MCP servers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.tools import BaseTool

from chat_service.llm.config import ModelConfig
from chat_service.runtime.models_file import Models
from chat_service.runtime.ports import McpToolSpecs
from chat_service.runtime.run_context import AgentRun, RunContext
from chat_service.runtime.timeouts import Timeouts
from chat_service.tools.automations.changes.backfill import backfill_slots_tool
from chat_service.tools.automations.changes.create import create_automation_tool
from chat_service.tools.automations.changes.delete import delete_automation_tool
from chat_service.tools.automations.changes.pause_resume import (
    pause_automation_tool,
    resume_automation_tool,
)
from chat_service.tools.automations.changes.roll_back import roll_back_automation_tool
from chat_service.tools.automations.changes.skip_next_slot import skip_next_slot_tool
from chat_service.tools.automations.changes.unskip_slots import unskip_slots_tool
from chat_service.tools.automations.changes.update import update_automation_tool
from chat_service.tools.automations.explain_slot import explain_slot_tool
from chat_service.tools.automations.list_automations import list_automations_tool
from chat_service.tools.automations.list_destinations import list_destinations_tool
from chat_service.tools.capabilities.fetch_url import Fetcher
from chat_service.tools.capabilities.register import register_capabilities
from chat_service.tools.capability_tool import ToolOffer, capability_tool, offer_tool
from chat_service.tools.definition import ToolDefinition
from chat_service.tools.idempotency import PeerUnreachable
from chat_service.tools.inbox.explain_result import explain_result_tool
from chat_service.tools.inbox.list_inbox import list_inbox_tool
from chat_service.tools.mcp.tools import McpTools
from shared import errors
from shared.clock import Clock
from shared.registries.actions.store import all_actions
from shared.registries.capabilities.store import new_registry
from shared.registries.capabilities.types import Capability
from shared.registries.catalogue import Catalogue, TaskModel
from shared.registries.triggers.store import all_triggers

# tools of a chat's main agent only; tasks and subagents get none of these
MAIN_AGENT: Final = (
    ToolDefinition(
        name="create_automation",
        factory=create_automation_tool,
        approval="always",
        has_example=True,
    ),
    ToolDefinition(
        name="update_automation",
        factory=update_automation_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="pause_automation",
        factory=pause_automation_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="resume_automation",
        factory=resume_automation_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="skip_next_slot",
        factory=skip_next_slot_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="unskip_slots",
        factory=unskip_slots_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="backfill_slots",
        factory=backfill_slots_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="roll_back_automation",
        factory=roll_back_automation_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="delete_automation",
        factory=delete_automation_tool,
        approval="always",
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="list_automations",
        factory=list_automations_tool,
        approval="never",
        reads_only=True,
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="list_destinations",
        factory=list_destinations_tool,
        approval="never",
        reads_only=True,
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="explain_slot",
        factory=explain_slot_tool,
        approval="never",
        reads_only=True,
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="list_inbox",
        factory=list_inbox_tool,
        approval="never",
        reads_only=True,
        needs_automations=True,
        has_example=True,
    ),
    ToolDefinition(
        name="explain_result",
        factory=explain_result_tool,
        approval="never",
        reads_only=True,
        needs_automations=True,
        has_example=True,
    ),
)


def select_tools(
    context: RunContext,
    capabilities: Mapping[str, Capability],
    capability_tools: Sequence[ToolDefinition] = (),
    chat_tools: Sequence[ToolDefinition] = MAIN_AGENT,
    may_appear_later: Callable[[str], bool] = lambda _: False,
) -> list[ToolDefinition]:
    """Returns the tools of a run. Tasks get none of `chat_tools`.

    Raises CapabilityGone for a task's tool that is not registered, and ServiceUnavailable if it
    `may_appear_later` from an MCP server not reached yet.
    """
    if context.task is None:
        return [
            tool for tool in (*chat_tools, *capability_tools) if tool.name not in context.disabled
        ]
    ruled = {tool.name: tool for tool in capability_tools}
    return [
        ruled[name]
        if name in ruled
        else _without_rule(_registered(name, capabilities, may_appear_later))
        for name in context.task.tools
        if name not in context.disabled
    ]


def _without_rule(capability: Capability) -> ToolDefinition:
    return ToolDefinition(
        name=capability.id, factory=_CapabilityFactory(capability), approval="never"
    )


@dataclass(frozen=True, eq=False, slots=True)
class _CapabilityFactory:
    """A factory of a capability's tool. Equal for one capability, so that graphs are shared."""

    capability: Capability

    def __call__(self, run: AgentRun) -> BaseTool:
        return capability_tool(run, self.capability)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CapabilityFactory) and other.capability is self.capability

    def __hash__(self) -> int:
        return id(self.capability)


def _registered(
    name: str, capabilities: Mapping[str, Capability], may_appear_later: Callable[[str], bool]
) -> Capability:
    found = capabilities.get(name)
    if found is None and may_appear_later(name):
        raise errors.ServiceUnavailable(
            f"the server of the tool {name} was not reached yet; try again",
            metadata={"capability": name},
        )
    if found is None or found.handler is None:
        raise errors.CapabilityGone(
            f"the tool {name} is no longer registered", metadata={"capability": name}
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredTools:
    """Finds tools that appeared after the graph was compiled.

    `may_appear_later` returns whether a missing tool may belong to an MCP server not reached yet.
    """

    capability_tools: Callable[[], Sequence[ToolDefinition]]
    may_appear_later: Callable[[str], bool]

    def __call__(self, name: str) -> ToolDefinition | None:
        """Raises PeerUnreachable if the tool may appear later."""
        if self.may_appear_later(name):
            raise PeerUnreachable(f"the server of {name} can't be reached, so nothing was done")
        return next((tool for tool in self.capability_tools() if tool.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """All capabilities and MCP tools, as capabilities for tasks and as tools for chats."""

    own: tuple[ToolOffer, ...]
    mcp: McpTools
    models: Sequence[TaskModel]

    def catalogue(self) -> Catalogue:
        return Catalogue(
            actions=all_actions(),
            triggers=all_triggers(),
            capabilities=self.capabilities(),
            models=self.models,
        )

    def capabilities(self) -> dict[str, Capability]:
        own = {one.capability.id: one.capability for one in self.own}
        return {**self.mcp.capabilities(), **own}

    def definitions(self) -> tuple[ToolDefinition, ...]:
        return (*(one.definition for one in self.own), *self.mcp.definitions())


def build_toolset(
    models: Mapping[int, ModelConfig],
    clock: Clock,
    fetcher: Fetcher,
    environ: Mapping[str, str],
    store: McpToolSpecs | None = None,
    timeouts: Timeouts | None = None,
) -> Toolset:
    """Builds the toolset of a process; handlers of capabilities hold its clock.

    A capability runs without an approval unless the models file demands one.
    """
    capabilities = new_registry()
    register_capabilities(capabilities, clock, fetcher)
    found = models if isinstance(models, Models) else Models([], None)
    return Toolset(
        own=tuple(
            offer_tool(capability, rule, reads_only=True)
            for name, capability in capabilities.all().items()
            if (rule := found.tools.get(name, "never")) != "off"
        ),
        mcp=McpTools(
            servers=found.mcp_servers,
            environ=environ,
            store=store,
            reserved={tool.name for tool in MAIN_AGENT} | set(capabilities.all()),
            timeouts=timeouts or Timeouts(),
        ),
        models=[_task_model(config) for config in models.values()],
    )


def _task_model(config: ModelConfig) -> TaskModel:
    return TaskModel(
        names=(config.model, config.display_name),
        priced=config.is_priced,
        auto=config.auto_eligible,
    )
