"""Tests of automation_service/webhooks."""
