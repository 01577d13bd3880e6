"""What agents may use beside chat's own tools: capabilities and tools of MCP servers, by rule."""

from collections.abc import Mapping
from dataclasses import dataclass

from chat_service.agent.asked_tool import Offered, offered
from chat_service.agent.capabilities.fetch_url import Fetcher
from chat_service.agent.capabilities.register import register_capabilities
from chat_service.agent.mcp_tools import McpTools
from chat_service.agent.model import ModelConfig, Models
from chat_service.agent.ports import Offers
from chat_service.agent.tools import MAIN_AGENT, ToolDefinition
from shared.clock import Clock
from shared.registries import Catalogue
from shared.registries.actions import all_actions
from shared.registries.capabilities import Capability
from shared.registries.capabilities.store import new_registry
from shared.registries.triggers import all_triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The same things twice: for tasks and drafts by name, and as the tools of chats."""

    own: tuple[Offered, ...]
    mcp: McpTools

    def catalogue(self) -> Catalogue:
        return Catalogue(
            actions=all_actions(), triggers=all_triggers(), capabilities=self.capabilities()
        )

    def capabilities(self) -> dict[str, Capability]:
        own = {one.capability.id: one.capability for one in self.own}
        return {**self.mcp.capabilities(), **own}

    def definitions(self) -> tuple[ToolDefinition, ...]:
        return (*(one.definition for one in self.own), *self.mcp.definitions())


def filled(
    models: Mapping[int, ModelConfig],
    clock: Clock,
    fetcher: Fetcher,
    environ: Mapping[str, str],
    offers: Offers | None = None,
) -> Toolbox:
    """Capabilities are the process's own, since their handlers hold its clock.

    Nobody is asked before one acts unless the models file says so.
    """
    capabilities = new_registry()
    register_capabilities(capabilities, clock, fetcher)
    found = models if isinstance(models, Models) else Models([], None)
    return Toolbox(
        own=tuple(
            offered(capability, rule)
            for name, capability in capabilities.all().items()
            if (rule := found.tools.get(name, "never")) != "off"
        ),
        mcp=McpTools(
            servers=found.mcp_servers,
            environ=environ,
            offers=offers,
            reserved={tool.name for tool in MAIN_AGENT} | set(capabilities.all()),
        ),
    )
