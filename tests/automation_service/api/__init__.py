"""Tests of automation_service/api."""
