"""Lookups that both middlewares share: the run, and the message that made a tool call."""

from langchain_core.messages import AIMessage
from langgraph.prebuilt.tool_node import ToolCallRequest

from chat_service.runtime.run_context import AgentRun


def agent_run(context: object) -> AgentRun:
    if not isinstance(context, AgentRun):
        raise TypeError("a graph was used without its run")
    return context


def calling_message(request: ToolCallRequest) -> AIMessage:
    """Returns the model message that made the call."""
    return next(m for m in reversed(request.state["messages"]) if isinstance(m, AIMessage))
