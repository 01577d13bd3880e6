"""Both services, a database with both schemas, a demo model and one clock."""

from collections.abc import AsyncIterator

import pytest

from devstack.demo_model import DemoServer
from devstack.postgres_roles import ServiceDatabases
from shared.clock import ManualClock
from tests.support.chat import START
from tests.support.pair import Pair, pair
from tests.support.tokens import Keys


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def road(
    both_databases: ServiceDatabases, keys: Keys, demo: DemoServer, clock: ManualClock
) -> AsyncIterator[Pair]:
    async with pair(both_databases, keys, demo.base_url, clock) as running:
        yield running
