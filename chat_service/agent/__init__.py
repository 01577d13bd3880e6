"""The LangGraph agent: graph, checkpoints, tools and subagents."""
