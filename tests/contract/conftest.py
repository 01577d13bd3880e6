"""Fixtures of the services' own tests, for the contract over their sockets."""

import pytest

from tests.automation_service.conftest import (
    agent,
    api_service,
    api_settings,
    api_url,
    clock,
    migrated_databases,
    rota,
    tenant,
    url,
)
from tests.contract.stage import Stage
from tests.support.live import Live

__all__ = [
    "agent",
    "api_service",
    "api_settings",
    "api_url",
    "clock",
    "migrated_databases",
    "rota",
    "tenant",
    "url",
]


@pytest.fixture(scope="session")
def stage(live: Live) -> Stage:
    return Stage(live.tenant())
