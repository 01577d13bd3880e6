"""automation_service in this process, on real sockets and a real database."""

import asyncio
import contextlib
import copy
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
from google.protobuf import json_format
from pydantic import SecretStr
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc

from automation_service import bootstrap
from automation_service.__main__ import migrate
from automation_service.persistence.tables import METADATA
from automation_service.settings import AutomationSettings
from devstack.postgres.roles import ServiceDatabases
from shared.clock import Clock
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.agents import FakeAgent, FixedCatalogue

START = datetime(2026, 11, 23, 7, 59, 30, tzinfo=UTC)  # a Monday, 8:59:30 in Paris

NEWS: dict[str, Any] = {
    "display_name": "Morning news",
    "description": "News for the team.",
    "definition": {
        "name": "Morning news",
        "goal": "Tell the team what happened.",
        "inputs": {
            "schema": {
                "type": "object",
                "properties": {"topic": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["topic"],
            }
        },
        "triggers": [
            {
                "trigger_id": "mornings",
                "type": "schedule",
                "config": {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
                "static_inputs": {"topic": "trains", "count": 3},
            }
        ],
        "plan": [
            {
                "step_id": "news",
                "action": "agent_task",
                "config": {
                    "prompt": "Summarise {{ inputs.count }} news about {{ inputs.topic }}.",
                    "tools": ["fetch_url"],
                },
            }
        ],
        "metadata": {"tags": ["news"], "room": {"number": 7}},
    },
}


def news(**definition: Any) -> dict[str, Any]:
    """The worked example with parts of its definition replaced."""
    made = copy.deepcopy(NEWS)
    made["definition"].update(definition)
    return made


def schedule(cron: str = "* * * * *", zone: str = "UTC", **more: Any) -> dict[str, Any]:
    """A trigger `t`."""
    config = {"cron": cron, "timezone": zone, **more}
    inputs = {"topic": "trains", "count": 3}
    return {"trigger_id": "t", "type": "schedule", "config": config, "static_inputs": inputs}


def message(said: dict[str, Any]) -> pb.Automation:
    found = pb.Automation()
    json_format.ParseDict(said, found)
    return found


def migrated(databases: ServiceDatabases) -> None:
    settings = AutomationSettings.model_construct(database_url=SecretStr(databases.automation))
    asyncio.run(migrate(settings))


def settings_for(url: str, keys: Keys, **more: Any) -> AutomationSettings:
    return AutomationSettings(
        database_url=url,
        listen="127.0.0.1:0",
        peer_address="127.0.0.1:1",
        jwks_file=keys.jwks_file,
        service_jwks_file=keys.service_jwks_file,
        service_key_file=keys.service_key_file("automation_service"),
        **{
            "look_seconds": 0.2,
            "drain_seconds": 0,
            "grace_seconds": 0.5,
            "reconcile_seconds": 0.5,
            # each connection costs as much as what most tests say on it
            "pool_size": 4,
            **more,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running service with a client. Calls are those of `ada`, an owner of `workspace`."""

    service: bootstrap.AutomationServer
    stub: Any
    keys: Keys
    url: str
    channel: Any = None
    workspace: str = "w"

    @property
    def parent(self) -> str:
        return f"workspaces/{self.workspace}"

    def tenant(self) -> "Running":
        """The same service, called in a workspace of its own."""
        return dataclasses.replace(self, workspace=f"w{uuid4().hex[:12]}")

    def headers(self, user: str = "ada", role: str = "owner") -> list[tuple[str, str]]:
        """Of a member's call."""
        return self.keys.user_headers(user, workspaces={self.workspace: role})

    async def call(
        self, rpc: str, request: Any, *, headers: list[tuple[str, str]] | None = None
    ) -> Any:
        headers = self.headers() if headers is None else headers
        return await getattr(self.stub, rpc)(request, metadata=headers, timeout=60)

    async def create(self, said: dict[str, Any] | None = None, **fields: Any) -> Any:
        return await self.call(
            "CreateAutomation",
            pb.CreateAutomationRequest(
                parent=self.parent, automation=message(said or NEWS), **fields
            ),
        )

    async def execute(self, statement: str, *arguments: Any) -> list[Any]:
        """As the function of this name, on a connection of the service, which reads JSON."""
        async with self.service.db.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            return list(await driver.fetch(statement, *arguments))

    async def get(self, name: str) -> Any:
        return await self.call("GetAutomation", pb.GetAutomationRequest(name=name))

    async def slots(self, name: str, filter_: str = "") -> list[Any]:
        """Newest first."""
        request = pb.ListSlotsRequest(parent=name, page_size=200, filter=filter_)
        return list((await self.call("ListSlots", request)).slots)

    async def runs(self, name: str) -> list[Any]:
        """Newest first."""
        return list((await self.call("ListRuns", pb.ListRunsRequest(parent=name))).runs)

    async def run(self, name: str) -> Any:
        return await self.call("GetRun", pb.GetRunRequest(name=name))

    async def ended(self, name: str, count: int = 1) -> list[Any]:
        """The first `count` runs of an automation, oldest first, when all of them have ended."""

        async def all_ended() -> list[Any] | None:
            found = await self.runs(name)
            over = [r for r in found if r.state > pb.Run.RUNNING]
            return found if len(found) >= count and len(over) == len(found) else None

        found: list[Any] = await until(all_ended)
        return [await self.run(r.name) for r in reversed(found)]


@contextlib.asynccontextmanager
async def running(
    url: str,
    keys: Keys,
    *,
    clock: Clock | None = None,
    agent: Any = None,
    source: Any = None,
    approvals: Any = None,
    directory: Any = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    async with bootstrap.service(
        settings_for(url, keys, **settings),
        clock=clock,
        agent=agent or FakeAgent(),
        source=source or FixedCatalogue(),
        approvals=approvals,
        directory=directory,
    ) as service:
        if not service.port:
            yield Running(service=service, stub=None, keys=keys, url=url)
            return
        await service.capabilities.refresh()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            stub = automation_pb2_grpc.AutomationServiceStub(channel)
            yield Running(service=service, stub=stub, keys=keys, url=url, channel=channel)


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """What `condition` gives once it is truthy."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.05)


async def execute(url: str, statement: str, *arguments: Any) -> list[Any]:
    """What an operator with SQL sees and does."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "automation"})
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


# Members, and what a running service has read at its start.
_KEPT = {"workspaces", "users", "memberships", "signing_keys", "capability_catalogue"}
_CLEAR = ";".join(
    f"delete from {table}"
    for table in [
        *(t.name for t in reversed(METADATA.sorted_tables) if t.name not in _KEPT),
        "pgqueuer.pgqueuer",
    ]
)


async def clear(url: str) -> None:
    """Deletes what tests have written, but no members."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "automation"})
    try:
        await connection.execute(_CLEAR)
    finally:
        await connection.close()


def new_request_id() -> str:
    return str(uuid4())
