"""The RPCs of ChatService and AgentService, one module a resource."""
