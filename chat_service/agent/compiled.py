"""An agent as LangGraph runs it: the main one and subagents alike."""

from collections.abc import Sequence
from typing import Any, Final

from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph

from chat_service.agent.checkpoints import Checkpoints
from chat_service.agent.middleware import ModelCalls, ToolCalls
from chat_service.agent.run import Run

Graph = CompiledStateGraph[Any, Any, Any, Any]
# twice the steps that the bound on model calls allows
_MOST_STEPS: Final = 100


def agent_graph(
    run: Run, checkpoints: Checkpoints, tools: Sequence[BaseTool], system_prompt: str
) -> Graph:
    return create_agent(
        run.model.chat(),
        list(tools),
        system_prompt=system_prompt,
        middleware=[ModelCalls(run), ToolCalls(run)],
        checkpointer=checkpoints.saver(fresh=run.fresh and run.assigned is None),
    )


def run_config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": _MOST_STEPS}
