"""Tests of chat_service/llm/stream."""
