"""Scenarios that cross modules, services and processes."""
