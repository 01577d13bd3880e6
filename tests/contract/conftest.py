"""Fixtures of the services' own tests, for the contract over their sockets."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.automation_service.conftest import (
    agent,
    api_clock,
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
from tests.contract.table import first_answer
from tests.support.system.live import Live

__all__ = [
    "agent",
    "api_clock",
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


@pytest.fixture(scope="session")
def known(stage: Stage) -> Callable[[str], Any]:
    """A request of each call that its owner would be answered.

    It is the same for every test, so nobody changes it or has it answered; refusals leave it good.
    """
    return cache(lambda method: first_answer(method).make(stage))
