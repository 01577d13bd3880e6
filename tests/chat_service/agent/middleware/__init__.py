"""Tests of chat_service/agent/middleware."""
