"""A chat_service for every test that asks."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres_roles import ServiceDatabases
from tests.support.agent_ports import MemoryAutomations
from tests.support.chat import START, Chat, chat_service, migrated
from tests.support.postgres import SuiteServer
from tests.support.tokens import Keys


@pytest.fixture
def chat_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("chat_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(folder=tmp_path)


@pytest.fixture
async def demo() -> AsyncIterator[DemoServer]:
    async with demo_server() as server:
        yield server


@pytest.fixture
def automations() -> MemoryAutomations:
    return MemoryAutomations(now=START)


@pytest.fixture
async def chat(
    chat_databases: ServiceDatabases, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> AsyncIterator[Chat]:
    async with chat_service(
        chat_databases, keys, demo.base_url, automations=automations, heartbeat_seconds=1.0
    ) as running:
        yield running
