"""The agent's tools: definition, arguments, approval and result."""
