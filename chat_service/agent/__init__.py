"""The agent: graph, tools, models and prompts."""
