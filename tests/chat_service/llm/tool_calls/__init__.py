"""Tests of chat_service/llm/tool_calls."""
