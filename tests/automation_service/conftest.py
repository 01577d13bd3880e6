"""Fixtures: a migrated database, keys, and the service on them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.db import database
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.servers.receiver import Receiver, receiver
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import START, Running, clear, migrated, running


@pytest.fixture
def migrated_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("automation_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
def url(migrated_databases: ServiceDatabases) -> str:
    """The DSN of a migrated database of its own."""
    return migrated_databases.automation


@pytest.fixture
def database_admin(migrated_databases: ServiceDatabases) -> str:
    return migrated_databases.superuser


@pytest.fixture
async def db(url: str) -> AsyncIterator[AsyncEngine]:
    engine = database.create_engine(url, schema="automation")
    try:
        yield engine
    finally:
        await engine.dispose()


@pytest.fixture
async def automation(db: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with db.connect() as connection:
        yield connection


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent()


@pytest.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    """Where a webhook may send to."""
    async with receiver() as made:
        yield made


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> AsyncIterator[Running]:
    """The whole service on a clock that stands at START until it is told to move."""
    async with running(url, keys, clock=clock, agent=agent) as service:
        yield service


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    """What `api_service` is started with; a module may say otherwise."""
    return {}


@pytest.fixture(scope="module")
def api_url(postgres_server: SuiteServer) -> Iterator[str]:
    """The DSN of the database of `api_service`."""
    with postgres_server.fresh_database("automation_migrated", migrated) as fresh:
        yield fresh.automation


@pytest.fixture(scope="module")
def api_clock() -> ManualClock:
    """The clock of `api_service`; it stands at START."""
    return ManualClock(START)


@pytest.fixture(scope="module")
async def api_service(
    api_url: str,
    api_clock: ManualClock,
    tmp_path_factory: pytest.TempPathFactory,
    api_settings: dict[str, Any],
) -> AsyncIterator[Running]:
    """A service of the module's tests that only answers calls."""
    keys = Keys(folder=tmp_path_factory.mktemp("keys"))
    settings = {"roles": "api", **api_settings}
    async with running(api_url, keys, clock=api_clock, **settings) as service:
        yield service


@pytest.fixture
def tenant(api_service: Running) -> Running:
    """The module's service, called in a workspace of the test's own."""
    return api_service.tenant()


@pytest.fixture
async def still(api_service: Running, api_clock: ManualClock) -> Running:
    """The module's service with empty tables, and `api_clock` at START.

    It claims no run and fires what a test fires.
    """
    await clear(api_service.url)
    api_clock.set(START)
    return api_service
