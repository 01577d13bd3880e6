"""Tests of chat_service/api."""
