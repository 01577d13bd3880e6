"""Tests of automation_service/channels/kinds."""
