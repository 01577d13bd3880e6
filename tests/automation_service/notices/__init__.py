"""Tests of automation_service/notices."""
