"""Tests of chat_service/flows."""
