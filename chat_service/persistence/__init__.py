"""Every query of chat_service, and its tables."""
