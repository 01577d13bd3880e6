"""A chat_service for every test that asks."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.checkpointer import CheckpointStore, open_checkpoints
from chat_service.persistence import tables
from chat_service.persistence.enums import TurnState
from chat_service.runtime.ports import AutomationsPort
from chat_service.runtime.timeouts import Timeouts
from devstack.demo_model import DemoServer
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.db import database
from shared.registries.catalogue import register_builtins
from tests.chat_service.agent_bench import Bench
from tests.chat_service.replica import POOL, Replica
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.model_providers.models import models_file
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.service_parts.retries import retries
from tests.support.system.chat import PATIENT, START, Chat, chat_service, migrated, until


@pytest.fixture
def impatient() -> None:
    """Nobody waits for a title."""


@pytest.fixture
def timeouts(request: pytest.FixtureRequest) -> Timeouts:
    """Of every service that `chat` and `serve` start."""
    return replace(PATIENT, title_limit=0.0) if "impatient" in request.fixturenames else PATIENT


@pytest.fixture
def chat_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("chat_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """No test of this folder changes their files."""
    return Keys(folder=tmp_path_factory.mktemp("keys"))


@pytest.fixture
def automations() -> MemoryAutomations:
    return MemoryAutomations(now=START)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Starts services with models of a test's own, all on one database and one clock."""

    clock: ManualClock
    stack: contextlib.AsyncExitStack
    start: Callable[..., AbstractAsyncContextManager[Chat]]
    folder: Path

    def write(self, *models: dict[str, Any], credit: int | None = None) -> Path:
        return models_file(self.folder, *models, credit=credit)

    async def __call__(
        self, *models: dict[str, Any], credit: int | None = None, **more: Any
    ) -> Chat:
        if models:
            more["models_file"] = self.write(*models, credit=credit)
        return await self.stack.enter_async_context(self.start(**more))


async def no_wait(seconds: float) -> None:
    """Sleeps that take no time."""


@pytest.fixture
async def serve(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    timeouts: Timeouts,
    tmp_path: Path,
) -> AsyncIterator[Serving]:
    clock = ManualClock(START)
    async with contextlib.AsyncExitStack() as stack:
        start = functools.partial(
            chat_service,
            chat_databases,
            keys,
            demo.base_url,
            automations=automations,
            clock=clock,
            timeouts=timeouts,
            retry=retries(no_wait),
        )
        yield Serving(clock=clock, stack=stack, start=start, folder=tmp_path)


@pytest.fixture
async def chat(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    automations: MemoryAutomations,
    timeouts: Timeouts,
) -> AsyncIterator[Chat]:
    async with chat_service(
        chat_databases, keys, demo.base_url, automations=automations, timeouts=timeouts
    ) as running:
        yield running


@dataclass(slots=True)
class CurrentAutomations:
    """Automations of a service that several tests share: those of the test that runs."""

    current: MemoryAutomations

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedService:
    chat: Chat
    automations: CurrentAutomations


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, Any]:
    """What a module sets for the service that its tests share."""
    return {}


@pytest.fixture(scope="module")
def shared_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("chat_migrated", migrated) as fresh:
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_service(
    shared_databases: ServiceDatabases,
    keys: Keys,
    demo_model: DemoServer,
    shared_settings: dict[str, Any],
) -> AsyncIterator[SharedService]:
    port = CurrentAutomations(MemoryAutomations(now=START))
    async with chat_service(
        shared_databases,
        keys,
        demo_model.base_url,
        automations=cast(AutomationsPort, port),
        **shared_settings,
    ) as chat:
        yield SharedService(chat=chat, automations=port)


@pytest.fixture
async def shared_chat(
    shared_service: SharedService, keys: Keys, demo: DemoServer, automations: MemoryAutomations
) -> AsyncIterator[Chat]:
    """The module's service and the owner of a workspace of its own.

    For tests that leave the clock, the models and other workspaces alone.
    """
    shared_service.automations.current = automations
    workspace = f"w-{uuid4().hex[:12]}"
    token = keys.user_token(workspaces={workspace: "owner"})
    yield replace(
        shared_service.chat,
        metadata=[("authorization", f"Bearer {token}")],
        workspace=f"workspaces/{workspace}",
    )
    # What a turn that goes on asks of the model belongs to no other test.
    demo.controls.reset()
    running = sa.select(sa.func.count()).where(
        tables.turns.c.workspace_id == workspace, tables.turns.c.state == TurnState.RUNNING
    )

    async def at_rest() -> bool:
        async with shared_service.chat.engine.connect() as connection:
            return not await connection.scalar(running)

    await until(at_rest)


@pytest.fixture
async def emptied_chat(shared_chat: Chat) -> AsyncIterator[Chat]:
    """`shared_chat` without the threads that a test stores: nobody runs their turns."""
    yield shared_chat
    mine = tables.threads.c.workspace_id == shared_chat.workspace_id
    async with shared_chat.engine.begin() as connection:
        await connection.execute(sa.delete(tables.threads).where(mine))


@pytest.fixture
async def engine(chat_databases: ServiceDatabases) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_databases.chat, schema=tables.SCHEMA, pool_size=POOL)
    yield made
    await made.dispose()


@pytest.fixture
async def leases(chat_databases: ServiceDatabases) -> AsyncIterator[AsyncEngine]:
    made = database.create_engine(chat_databases.chat, schema=tables.SCHEMA, pool_size=1)
    yield made
    await made.dispose()


@pytest.fixture
async def replicas(engine: AsyncEngine) -> AsyncIterator[Callable[..., Replica]]:
    """Makes replicas on the test's database, and stops them at its end."""
    made: list[Replica] = []

    def make(**more: Any) -> Replica:
        made.append(Replica(engine=engine, **more))
        return made[-1]

    yield make
    for one in made:
        one.reckoning.set()
        one.leaving.set()
        await one.turns.stop(0)


@pytest.fixture
def replica(replicas: Callable[..., Replica]) -> Replica:
    return replicas()


@pytest.fixture(scope="session")
def checkpoint_url(postgres_server: SuiteServer) -> Iterator[str]:
    """The DSN of the database whose checkpoints are those of all benches."""
    with postgres_server.fresh_database("chat_migrated", migrated) as fresh:
        yield fresh.chat


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def checkpoint_store(checkpoint_url: str) -> AsyncIterator[CheckpointStore]:
    async with open_checkpoints(checkpoint_url) as checkpoints:
        yield checkpoints


@pytest.fixture
def bench(checkpoint_url: str, checkpoint_store: CheckpointStore, demo: DemoServer) -> Bench:
    """A bench of a turn of its own: what it asks of the database names the turn."""
    register_builtins()
    return Bench(demo=demo, checkpoints=checkpoint_store, dsn=checkpoint_url)
