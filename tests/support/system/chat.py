"""A whole chat_service over sockets: real PostgreSQL, the demo model, its own production root."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from rota.agent.v1 import agent_pb2_grpc
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service import bootstrap
from chat_service.__main__ import migrate
from chat_service.llm.retry import RetryPolicies
from chat_service.runtime.ports import AutomationsPort
from chat_service.runtime.timeouts import Timeouts
from chat_service.settings import ChatSettings
from chat_service.tools.capabilities.fetch_url import Fetcher
from devstack.postgres.roles import ServiceDatabases
from shared.clock import Clock, ManualClock
from shared.rpc import client
from tests.support.credentials.tokens import Keys

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WORKSPACE = "workspaces/w"
# encrypts what tests keep
SECRET_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SCHEDULE = "every weekday at 9 in Paris summarise the news"
QUIET_SECONDS = 45.0
# What is not held up comes in time, however busy the machine is.
PATIENT = Timeouts(title_limit=30.0, mcp_connect_limit=60.0, mcp_startup_limit=60.0)


def settings(databases: ServiceDatabases, keys: Keys, model_url: str, **more: Any) -> ChatSettings:
    more.setdefault("secret_keys", SECRET_KEY)
    # Later than anything is late: a test that wants one says when.
    more.setdefault("heartbeat_seconds", QUIET_SECONDS)
    return ChatSettings(
        database_url=databases.chat,
        listen=more.pop("listen", "127.0.0.1:0"),
        jwks_file=keys.jwks_file,
        service_jwks_file=keys.service_jwks_file,
        service_key_file=keys.service_key_file("chat_service"),
        openai_api_key="demo",
        openai_base_url=model_url,
        default_model="demo",
        drain_seconds=0.0,
        grace_seconds=0.0,
        pool_size=8,
        **more,
    )


def migrated(databases: ServiceDatabases) -> None:
    """Builds the template that every test's database is a copy of."""
    nowhere = Path()
    settings = ChatSettings(
        database_url=databases.chat,
        jwks_file=nowhere,
        service_jwks_file=nowhere,
        service_key_file=nowhere,
    )
    asyncio.run(migrate(settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A running service and a person who talks to it."""

    stub: chat_pb2_grpc.ChatServiceStub
    agent: agent_pb2_grpc.AgentServiceStub
    engine: AsyncEngine
    service: bootstrap.ChatServer
    metadata: list[tuple[str, str]]
    workspace: str = WORKSPACE

    @property
    def workspace_id(self) -> str:
        return self.workspace.partition("/")[2]

    def asking(self, text: str, **fields: Any) -> pb.SendMessageRequest:
        """A message of a new thread of the workspace, unless `name` says which."""
        fields.setdefault("name", f"{self.workspace}/threads/-")
        return asking(text, **fields)

    async def send(self, text: str, **fields: Any) -> list[pb.TurnEvent]:
        """Says something and reads to the end of the call."""
        return await told(self.stream(text, **fields))

    def stream(self, text: str, **fields: Any) -> Any:
        return self.stub.SendMessage(self.asking(text, **fields), metadata=self.metadata)

    async def resume(
        self, turn: str, *decisions: pb.Decision, request_id: str = ""
    ) -> list[pb.TurnEvent]:
        request = pb.ResumeTurnRequest(
            name=turn, decisions=decisions, request_id=request_id or str(uuid4())
        )
        return await told(self.stub.ResumeTurn(request, metadata=self.metadata))

    async def watch(self, turn: str, after: int = 0) -> list[pb.TurnEvent]:
        request = pb.WatchTurnRequest(name=turn, after_sequence=after)
        return await told(self.stub.WatchTurn(request, metadata=self.metadata))

    async def watch_for(self, turn: str, kind: str) -> list[pb.TurnEvent]:
        """The frames up to and with the first of a kind."""
        request = pb.WatchTurnRequest(name=turn)
        call = self.stub.WatchTurn(request, metadata=self.metadata)
        seen = []
        async for event in call:
            if event.HasField("heartbeat"):
                continue
            seen.append(event)
            if event.WhichOneof("event") == kind:
                break
        call.cancel()
        return seen

    async def turn(self, name: str) -> pb.Turn:
        found: pb.Turn = await self.stub.GetTurn(
            pb.GetTurnRequest(name=name), metadata=self.metadata
        )
        return found


async def told(call: Any) -> list[pb.TurnEvent]:
    """What a call brings, but for heartbeats: they depend on how busy the machine is."""
    return [event async for event in call if not event.HasField("heartbeat")]


def asking(text: str, **fields: Any) -> pb.SendMessageRequest:
    fields.setdefault("name", f"{WORKSPACE}/threads/-")
    fields.setdefault("request_id", str(uuid4()))
    return pb.SendMessageRequest(message=pb.Message(parts=[pb.Part(text=text)]), **fields)


@contextlib.asynccontextmanager
async def chat_service(
    databases: ServiceDatabases,
    keys: Keys,
    model_url: str,
    *,
    automations: AutomationsPort | None,
    clock: Clock | None = None,
    token: str = "",
    fetcher: Fetcher | None = None,
    retry: RetryPolicies | None = None,
    timeouts: Timeouts = PATIENT,
    **more: Any,
) -> AsyncIterator[Chat]:
    async with (
        bootstrap.service(
            settings(databases, keys, model_url, **more),
            clock=clock or ManualClock(START),
            automations=automations,
            fetcher=fetcher,
            retry=retry,
            timeouts=timeouts,
        ) as service,
        client.open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        yield Chat(
            stub=chat_pb2_grpc.ChatServiceStub(channel),
            agent=agent_pb2_grpc.AgentServiceStub(channel),
            engine=service.db,
            service=service,
            metadata=[("authorization", f"Bearer {token or keys.user_token()}")],
        )


def thread_of(events: list[pb.TurnEvent]) -> str:
    return events[0].started.turn.partition("/turns/")[0]


def kinds(events: list[pb.TurnEvent]) -> list[str]:
    """What happened, with runs of the same delta as one, and without heartbeats."""
    found: list[str] = []
    for event in events:
        kind = event.WhichOneof("event") or ""
        same_delta = kind.endswith("_delta") and bool(found) and found[-1] == kind
        if kind != "heartbeat" and not same_delta:
            found.append(kind)
    return found


def said(events: list[pb.TurnEvent]) -> str:
    return "".join(e.text_delta.text for e in events if e.HasField("text_delta"))


def approval_of(events: list[pb.TurnEvent]) -> pb.Approval:
    return next(e.approval_requested.approval for e in events if e.HasField("approval_requested"))


def approve(approval: pb.Approval) -> pb.Decision:
    return pb.Decision(
        approval=approval.name,
        payload_digest=approval.payload_digest,
        approve=pb.Decision.Approve(),
    )


def reject(approval: pb.Approval, reason: str) -> pb.Decision:
    return pb.Decision(
        approval=approval.name,
        payload_digest=approval.payload_digest,
        reject=pb.Decision.Reject(reason=reason),
    )


def edit(approval: pb.Approval, payload: Mapping[str, Any]) -> pb.Decision:
    decision = pb.Decision(approval=approval.name, payload_digest=approval.payload_digest)
    decision.edit.payload.update(payload)
    return decision


async def until(done: Any, *, seconds: float = 60.0) -> None:
    """Waits for what another process or task is about to do."""
    async with asyncio.timeout(seconds):
        while not await done():
            await asyncio.sleep(0.05)
