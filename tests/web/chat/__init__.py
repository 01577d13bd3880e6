"""Threads on the page."""
