"""Scenarios of automation_service."""
