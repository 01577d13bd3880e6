"""Tests of chat_service/prompts."""
