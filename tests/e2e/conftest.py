"""Both services, a database with both schemas, a demo model and one clock."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres_roles import ServiceDatabases
from shared.clock import ManualClock
from tests.support.chat import START
from tests.support.pair import Pair, migrated, pair
from tests.support.postgres import SuiteServer
from tests.support.tokens import Keys


@pytest.fixture
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(folder=tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def demo() -> AsyncIterator[DemoServer]:
    async with demo_server() as server:
        yield server


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    async with pair(both_databases, keys, demo.base_url, clock) as running:
        yield running
