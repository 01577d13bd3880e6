"""Tests of chat_service/llm/features."""
