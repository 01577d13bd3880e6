"""What a tool of the agent is: definition, arguments, approval, result."""
