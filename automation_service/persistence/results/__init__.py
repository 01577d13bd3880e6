"""Queries of what reaches people."""
