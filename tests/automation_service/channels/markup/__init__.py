"""Tests of automation_service/channels/markup."""
