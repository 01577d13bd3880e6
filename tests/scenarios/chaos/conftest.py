"""A town for each module of chaos: its processes start once."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from devstack.postgres.roles import ServiceDatabases
from tests.scenarios.chaos.town import Town, a_town
from tests.support.database.postgres import SuiteServer
from tests.support.system.pair import migrated


@pytest.fixture(scope="module")
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing_town(
    both_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    async with a_town(both_databases, tmp_path_factory.mktemp("town")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def town(standing_town: Town) -> Town:
    """The module's town with everybody alive."""
    await standing_town.whole()
    return standing_town
