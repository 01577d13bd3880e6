"""The whole road once more, with mTLS between everybody on it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from rota.automation.v1 import automation_pb2 as pb

from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from tests.scenarios.e2e.test_road import SLOT, approved, ended_runs
from tests.support.credentials.certificates import Authority
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import until
from tests.support.system.pair import Pair, pair


@pytest.fixture
async def road(
    both_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    clock: ManualClock,
    tmp_path: Path,
) -> AsyncIterator[Pair]:
    authority = Authority(folder=tmp_path)
    async with pair(both_databases, keys, demo.base_url, clock, authority) as running:
        yield running


async def test_the_services_find_and_believe_each_other(road: Pair) -> None:
    # Each calls the other on the way: to check the draft, and to do the step.
    _, automation = await approved(road)
    road.clock.set(SLOT + timedelta(milliseconds=5))

    async def ended() -> bool:
        return bool(await ended_runs(road, automation))

    await until(ended)
    (run,) = await ended_runs(road, automation)
    assert run.state == pb.Run.SUCCEEDED
