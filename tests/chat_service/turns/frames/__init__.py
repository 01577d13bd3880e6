"""Tests of chat_service/turns/frames."""
