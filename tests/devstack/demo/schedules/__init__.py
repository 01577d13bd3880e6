"""Tests of devstack/demo/schedules."""
