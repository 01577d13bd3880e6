"""Capabilities that this service offers to tasks."""
