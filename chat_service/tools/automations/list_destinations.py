"""`list_destinations`: the places that a person's results may be sent to."""

from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from chat_service.llm.text import one_line
from chat_service.runtime.ports import DestinationView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.deliveries import MAX_SHOWN, read_destinations
from chat_service.tools.results import DestinationList, ToolOutcome
from chat_service.tools.string_tool import Texts, string_tool

NAME: Final = "list_destinations"


def list_destinations_tool(run: AgentRun) -> BaseTool:
    async def show(texts: Texts, runtime: ToolRuntime[Any, Any]) -> ToolOutcome:
        found = await read_destinations(run)
        return DestinationList(
            destinations=[_shown(one) for one in found[:MAX_SHOWN]], more=len(found) > MAX_SHOWN
        )

    return string_tool(NAME, [], show)


def _shown(one: DestinationView) -> dict[str, Any]:
    return {
        "destination": one.name,
        "display_name": one_line(one.display_name, 200),
        "kind": one.kind,
        "host": one.host,
        "state": one.state,
        "whose": "the person's own" if one.is_own else "shared by the workspace",
    }
