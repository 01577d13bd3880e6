"""Tests of chat_service/persistence."""
