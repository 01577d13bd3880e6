"""Logs, metrics, spans and their export."""
