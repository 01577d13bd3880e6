"""What wraps each model call and tool call of the agent."""
