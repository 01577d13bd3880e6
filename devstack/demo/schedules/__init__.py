"""Schedules and moments, as sentences say them."""
