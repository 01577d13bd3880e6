"""Both services in this process, over real sockets, under one clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
from rota.agent.v1 import agent_pb2_grpc
from rota.automation.v1 import automation_pb2_grpc, destination_pb2_grpc
from rota.chat.v1 import chat_pb2_grpc

from automation_service import bootstrap as automation_root
from automation_service.__main__ import migrate
from automation_service.settings import AutomationSettings
from chat_service import bootstrap as chat_root
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.rpc import client, tls
from tests.support.credentials.certificates import Authority
from tests.support.credentials.tokens import Keys
from tests.support.processes.ports import free_port
from tests.support.system.chat import QUIET_SECONDS, Chat
from tests.support.system.chat import migrated as chat_migrated
from tests.support.system.chat import settings as chat_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    chat: Chat
    automations: automation_pb2_grpc.AutomationServiceStub
    to_automation: grpc.aio.Channel
    destinations: destination_pb2_grpc.DestinationServiceStub
    automation: automation_root.AutomationServer
    clock: ManualClock
    metadata: list[tuple[str, str]]

    @property
    def workspace(self) -> str:
        return self.chat.workspace

    @property
    def workspace_id(self) -> str:
        return self.chat.workspace_id

    def moved(self, keys: Keys) -> "Pair":
        """The same services, with `ada` the owner of a new workspace."""
        workspace = f"w{uuid4().hex[:12]}"
        metadata = keys.user_headers(workspaces={workspace: "owner"})
        chat = replace(self.chat, workspace=f"workspaces/{workspace}", metadata=metadata)
        return replace(self, chat=chat, metadata=metadata)


def automation_settings(
    databases: ServiceDatabases, keys: Keys, *, listen: str, peer: str, **more: Any
) -> AutomationSettings:
    return AutomationSettings(
        database_url=databases.automation,
        listen=listen,
        peer_address=peer,
        jwks_file=keys.jwks_file,
        service_jwks_file=keys.service_jwks_file,
        service_key_file=keys.service_key_file("automation_service"),
        drain_seconds=0,
        grace_seconds=0,
        pool_size=4,
        **more,
    )


def migrated(databases: ServiceDatabases) -> None:
    """Builds the template that holds both services' schemas."""
    chat_migrated(databases)
    nowhere = Path()
    settings = AutomationSettings(
        database_url=databases.automation,
        jwks_file=nowhere,
        service_jwks_file=nowhere,
        service_key_file=nowhere,
    )
    asyncio.run(migrate(settings))


@contextlib.asynccontextmanager
async def pair(
    databases: ServiceDatabases,
    keys: Keys,
    model_url: str,
    clock: ManualClock,
    authority: Authority | None = None,
    /,
    *,
    local_models: bool = False,
    heartbeat_seconds: float = QUIET_SECONDS,
    models_file: Path | None = None,
    **automation: Any,
) -> AsyncIterator[Pair]:
    """`automation` are settings of automation_service. With an authority both speak mTLS."""
    chat_port, automation_port = free_port(), free_port()
    chat_address = f"127.0.0.1:{chat_port}"
    automation_address = f"127.0.0.1:{automation_port}"
    metadata = [("authorization", f"Bearer {keys.user_token()}")]
    chat_tls, automation_tls, own = ({}, {}, None) if authority is None else _secured(authority)
    async with (
        automation_root.service(
            automation_settings(
                databases,
                keys,
                listen=automation_address,
                peer=chat_address,
                heartbeat_seconds=heartbeat_seconds,
                **automation,
                **automation_tls,
            ),
            clock=clock,
        ) as automations,
        chat_root.service(
            chat_settings(
                databases,
                keys,
                model_url,
                listen=chat_address,
                peer_address=automation_address,
                local_models=local_models,
                heartbeat_seconds=heartbeat_seconds,
                **({} if models_file is None else {"models_file": models_file}),
                **chat_tls,
            ),
            clock=clock,
        ) as chat,
        client.open_channel(chat_address, tls=own) as to_chat,
        client.open_channel(automation_address, tls=own) as to_automation,
    ):
        yield Pair(
            chat=Chat(
                stub=chat_pb2_grpc.ChatServiceStub(to_chat),
                agent=agent_pb2_grpc.AgentServiceStub(to_chat),
                engine=chat.db,
                service=chat,
                metadata=metadata,
            ),
            automations=automation_pb2_grpc.AutomationServiceStub(to_automation),
            to_automation=to_automation,
            destinations=destination_pb2_grpc.DestinationServiceStub(to_automation),
            automation=automations,
            clock=clock,
            metadata=metadata,
        )


def _secured(authority: Authority) -> tuple[dict[str, Any], dict[str, Any], tls.Tls | None]:
    """Settings of each service, and what a caller shows."""

    def told(name: str) -> dict[str, Any]:
        own = authority.issue(name)
        return {"tls_cert_file": own.cert, "tls_key_file": own.key, "tls_ca_file": authority.file}

    caller = authority.issue("caller")
    own = tls.read(caller.cert, caller.key, authority.file)
    return told("chat_service"), told("automation_service"), own
