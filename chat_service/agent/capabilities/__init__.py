"""What an agent may use, as this service offers it."""

from chat_service.agent.capabilities.register import register_capabilities

__all__ = ["register_capabilities"]
