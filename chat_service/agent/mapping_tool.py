"""A tool that is given its arguments as one mapping, whatever a foreign schema calls them."""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import SkipValidation
from typing_extensions import override

from chat_service.agent.approval import ToolCall
from chat_service.agent.tools import ToolResult
from shared.registries.capabilities import Capability

Carry = Callable[[dict[str, Any], ToolCall], Awaitable[ToolResult]]


def mapping_tool(capability: Capability, carry: Carry) -> BaseTool:
    return _MappingTool(
        name=capability.id,
        description=capability.description,
        args_schema=capability.input_schema,
        carry=carry,
    )


class _MappingTool(BaseTool):
    """LangChain's own way passes arguments by name, where `config` and others mean its own."""

    carry: SkipValidation[Carry]

    @override
    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ToolMessage:
        place = (config or {}).get("configurable", {}).get("checkpoint_ns", "")
        call = ToolCall(id=input["id"] or "", place=place)
        content, artifact = (await self.carry(dict(input["args"]), call)).pair()
        return ToolMessage(content, artifact=artifact, name=self.name, tool_call_id=call.id)

    @override
    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{self.name} is called with ainvoke")
