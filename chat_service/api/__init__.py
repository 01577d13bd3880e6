"""The RPCs of ChatService and AgentService. Each resource has a module."""
