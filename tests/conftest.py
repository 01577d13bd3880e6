"""Fixtures for every test: PostgreSQL with databases, keys, a demo model, the whole system."""

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from devstack.postgres.roles import ServiceDatabases
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer, suite_server
from tests.support.suite.groups import end_group, group, require_groups
from tests.support.suite.logs import configure_logs
from tests.support.suite.trust import share_trust

if TYPE_CHECKING:
    from devstack.demo_model import DemoServer
    from tests.support.system.live import Live

# A process that runs gRPC forks to start PostgreSQL as another user; gRPC's handlers in the child
# start its poller anew, which the start may not survive.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
# The suite's servers have no TLS: no connection asks for it first.
os.environ["PGSSLMODE"] = "disable"
# Each process that a test starts would compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

configure_logs()
share_trust()

# What is made while tests are collected stays.
gc.disable()

# The same examples in every run, and no clock on any of them.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


# Before xdist starts its workers.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    option = session.config.option
    if getattr(option, "numprocesses", None) and option.assertmode == "rewrite":
        from tests.support.suite.compilation import compile_clone

        compile_clone(session.config)


# Before xdist reads the groups, and after the order is shuffled.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group(items)


# After the item's own fixtures.
@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    end_group(item, nextitem)


def pytest_collection_finish(session: pytest.Session) -> None:
    require_groups(session)
    # Modules and tests stay: to walk through them again and again costs a tenth of the suite.
    # A test leaves little behind, so the collector seldom has to look.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    gc.enable()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SuiteServer]:
    # Imported here, so that tests without it do not wait for its imports.
    from tests.support.suite.statement_cache import share_compiled

    share_compiled()
    with suite_server() as server:
        yield server


@pytest.fixture(scope="session")
def live(
    postgres_server: SuiteServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Live"]:
    """The whole system, shared by the session: give each test a workspace of its own."""
    from tests.support.system.live import live as started
    from tests.support.system.pair import migrated

    fresh = postgres_server.fresh_database("both_migrated", migrated)
    with started(fresh, tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo_model() -> AsyncIterator["DemoServer"]:
    """The session's demo model; tests ask for `demo`."""
    from devstack.demo_model import demo_server

    async with demo_server() as server:
        yield server


@pytest.fixture
def demo(demo_model: "DemoServer") -> Iterator["DemoServer"]:
    """The demo model with nothing ordered and nothing seen."""
    demo_model.controls.reset()
    yield demo_model
    demo_model.controls.reset()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(folder=tmp_path)


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


@pytest.fixture
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    """A database with both services' tables."""
    from tests.support.system.pair import migrated

    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh
