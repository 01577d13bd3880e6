"""Automations on the page."""
