"""The fixtures of automation_service."""

from tests.automation_service.conftest import (
    agent,
    api_clock,
    api_service,
    api_settings,
    api_url,
    automation,
    clock,
    database_admin,
    db,
    endpoint,
    migrated_databases,
    rota,
    still,
    url,
)

__all__ = [
    "agent",
    "api_clock",
    "api_service",
    "api_settings",
    "api_url",
    "automation",
    "clock",
    "database_admin",
    "db",
    "endpoint",
    "migrated_databases",
    "rota",
    "still",
    "url",
]
