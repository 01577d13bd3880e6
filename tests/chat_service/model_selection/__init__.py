"""Tests of chat_service/model_selection."""
