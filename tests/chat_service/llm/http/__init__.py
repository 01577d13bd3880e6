"""Tests of chat_service/llm/http."""
