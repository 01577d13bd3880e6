"""Tests of chat_service/runtime."""
