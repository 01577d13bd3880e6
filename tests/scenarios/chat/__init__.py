"""Scenarios of chat_service."""
