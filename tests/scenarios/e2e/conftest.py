"""Both services, a database with both schemas, a demo model and one clock.

`road` has services of a test's own, whose clock it moves. Where nothing fires, the tests of a
module share the services of `shared_pair`, each in a workspace of its own: `shared_road`.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.system.chat import START
from tests.support.system.pair import Pair, migrated, pair


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(folder=tmp_path_factory.mktemp("keys"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    async with pair(both_databases, keys, demo.base_url, clock) as running:
        yield running


@pytest.fixture(scope="module")
def shared_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest_asyncio.fixture(scope="module")
async def shared_pair(
    shared_databases: ServiceDatabases, keys: Keys, demo_model: DemoServer
) -> AsyncIterator[Pair]:
    """It has no ticker and no worker, and its clock stands."""
    clock, model = ManualClock(START), demo_model.base_url
    async with pair(shared_databases, keys, model, clock, roles="api") as running:
        yield running


@pytest.fixture
def shared_road(shared_pair: Pair, keys: Keys, demo: DemoServer) -> Pair:
    return shared_pair.moved(keys)
