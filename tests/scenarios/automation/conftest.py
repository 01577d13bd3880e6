"""The fixtures of automation_service."""

from tests.automation_service.conftest import (
    agent,
    automation,
    clock,
    database_admin,
    endpoint,
    migrated_databases,
    rota,
    store,
    url,
)

__all__ = [
    "agent",
    "automation",
    "clock",
    "database_admin",
    "endpoint",
    "migrated_databases",
    "rota",
    "store",
    "url",
]
