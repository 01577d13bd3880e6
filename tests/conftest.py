"""Fixtures for every test: a real PostgreSQL, and databases on it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from devstack.postgres_roles import ServiceDatabases
from tests.support.live import Live
from tests.support.live import live as started
from tests.support.pair import migrated
from tests.support.postgres import SuiteServer, suite_server

# The same examples in every run, and no clock on any of them.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SuiteServer]:
    with suite_server() as server:
        yield server


@pytest.fixture(scope="session")
def live(postgres_server: SuiteServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The whole system, shared by the session: give each test a workspace of its own."""
    fresh = postgres_server.fresh_database("both_migrated", migrated)
    with started(fresh, tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture
def databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    """An empty database with both roles and their schemas: `.chat`, `.automation`, `.superuser`."""
    with postgres_server.fresh_database() as fresh:
        yield fresh


@pytest.fixture
def database_url(databases: ServiceDatabases) -> str:
    """The superuser's DSN (`postgresql://…`) on that database."""
    return databases.superuser


@pytest.fixture
def chat_database_url(databases: ServiceDatabases) -> str:
    return databases.chat


@pytest.fixture
def automation_database_url(databases: ServiceDatabases) -> str:
    return databases.automation
