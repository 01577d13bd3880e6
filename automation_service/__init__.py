"""Keeps automations, fires their schedules and runs them."""
