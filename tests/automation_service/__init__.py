"""Tests of automation_service."""
