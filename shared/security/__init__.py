"""Callers, encryption at rest and outbound addresses."""
