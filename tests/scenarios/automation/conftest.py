"""The fixtures of automation_service."""

from tests.automation_service.conftest import (
    agent,
    automation,
    clock,
    database_admin,
    db,
    endpoint,
    migrated_databases,
    rota,
    url,
)

__all__ = [
    "agent",
    "automation",
    "clock",
    "database_admin",
    "db",
    "endpoint",
    "migrated_databases",
    "rota",
    "url",
]
