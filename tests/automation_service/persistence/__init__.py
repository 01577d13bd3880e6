"""Tests of automation_service/persistence."""
