"""Compiled LangGraph graphs of the main agent and of subagents, shared by all runs.

A cached graph holds nothing of a run. A run passes its model, prompt and tools as LangGraph's
context, and puts its checkpointer into a copy of the graph.
"""

from collections.abc import Sequence
from inspect import signature
from typing import Any, Final

from cachetools import LRUCache
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph.state import CompiledStateGraph

from chat_service.agent.checkpointer import DeferredCheckpointer
from chat_service.agent.middleware.model_call import ModelCallMiddleware
from chat_service.agent.middleware.tool_call import ToolCallMiddleware
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.definition import ToolDefinition

Graph = CompiledStateGraph[Any, Any, Any, Any]
# twice the steps that the bound on model calls allows
_MOST_STEPS: Final = 100
MAX_GRAPHS: Final = 32


class GraphCache:
    """The graphs that were used last, by their tools. A process has one cache."""

    def __init__(self) -> None:
        self._kept: LRUCache[tuple[ToolDefinition, ...], Graph] = LRUCache(MAX_GRAPHS)

    def graph(
        self, run: AgentRun, tools: Sequence[ToolDefinition], saver: DeferredCheckpointer
    ) -> Graph:
        """Returns a graph for one stream. Pass `run` to the stream as its context too."""
        wanted = tuple(tools)
        found = self._kept.get(wanted)
        if found is None:
            found = self._kept[wanted] = _compiled(run, wanted)
        return found.copy(update={"checkpointer": saver})


def graph_config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": _MOST_STEPS}


def _compiled(run: AgentRun, tools: Sequence[ToolDefinition]) -> Graph:
    named = {tool.name: tool for tool in tools}
    faces = [_face(tool.factory(run)) for tool in named.values()]
    return create_agent(
        _NoModel(),
        faces,
        middleware=[
            ModelCallMiddleware(
                faces,
                reading=[tool.name for tool in named.values() if tool.reads_only],
                asking=[tool.name for tool in named.values() if tool.approval == "always"],
            ),
            ToolCallMiddleware(named),
        ],
        checkpointer=None,
    )


def _face(tool: BaseTool) -> BaseTool:
    """Returns the name, description and schema of a tool, without its run."""
    return StructuredTool(
        name=tool.name,
        description=tool.description,
        args_schema=tool.args_schema,
        # LangGraph injects what the signature asks for, so this asks for the same
        coroutine=_nobody_there if _takes_runtime(tool) else _nobody,
        response_format="content_and_artifact",
    )


def _takes_runtime(tool: BaseTool) -> bool:
    called = tool.coroutine if isinstance(tool, StructuredTool) else None
    return called is not None and "runtime" in signature(called).parameters


async def _nobody(**_: Any) -> tuple[str, dict[str, Any]]:
    raise RuntimeError("a tool was called without its run")


async def _nobody_there(runtime: ToolRuntime[Any, Any], **_: Any) -> tuple[str, dict[str, Any]]:
    return await _nobody()


class _NoModel(BaseChatModel):
    """A placeholder: every run brings its own model."""

    @property
    def _llm_type(self) -> str:
        return "none"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise RuntimeError("a model was called without its run")
