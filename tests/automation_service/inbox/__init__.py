"""Tests of automation_service/inbox."""
