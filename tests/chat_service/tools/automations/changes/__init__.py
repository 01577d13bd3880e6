"""Tests of chat_service/tools/automations/changes."""
