"""The tables and queries of chat_service."""
