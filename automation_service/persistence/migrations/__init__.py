"""Alembic migrations of the schema `automation`."""
