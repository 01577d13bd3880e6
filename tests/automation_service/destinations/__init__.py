"""Tests of automation_service/destinations."""
