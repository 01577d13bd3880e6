"""Tests of automation_service/scheduling."""
