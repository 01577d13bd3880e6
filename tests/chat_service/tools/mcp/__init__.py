"""Tests of chat_service/tools/mcp."""
