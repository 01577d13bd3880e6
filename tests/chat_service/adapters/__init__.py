"""Tests of chat_service/adapters."""
