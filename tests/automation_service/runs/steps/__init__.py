"""Tests of automation_service/runs/steps."""
