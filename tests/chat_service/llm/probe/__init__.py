"""Tests of chat_service/llm/probe."""
