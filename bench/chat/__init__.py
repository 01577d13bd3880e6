"""Streamed answers of chat_service, beside peers and the same agent in process."""
