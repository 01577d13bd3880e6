"""Tests of automation_service/automations."""
