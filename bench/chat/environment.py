"""The environment of the chat benchmark: PostgreSQL, a model server and chat_service."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from bench import processes
from bench.database import run_database
from devstack.postgres.roles import ServiceDatabases, create_role_and_schema
from devstack.postgres.server import Server
from shared.rpc import client
from tests.support.credentials.tokens import Keys
from tests.support.processes.ports import free_port
from tests.support.system.chat import migrated

WORKSPACE: Final = "workspaces/w"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The servers of one run. `model` is the model server's address, with /v1."""

    folder: Path
    server: Server
    databases: ServiceDatabases
    model: str
    model_pid: int
    keys: Keys
    service_pid: int
    service: str  # host:port

    def token(self) -> str:
        return self.keys.user_token()

    async def threads(self, count: int) -> list[str]:
        """Creates threads with a title: generating a title costs a model call."""
        metadata = [("authorization", f"Bearer {self.token()}")]
        async with client.open_channel(self.service) as channel:
            stub = chat_pb2_grpc.ChatServiceStub(channel)
            requests = [
                pb.CreateThreadRequest(
                    parent=WORKSPACE, thread=pb.Thread(display_name=f"bench {number}")
                )
                for number in range(count)
            ]
            made = [await stub.CreateThread(one, metadata=metadata) for one in requests]
            return [thread.name for thread in made]

    def database(self) -> str:
        """Creates an empty database for a peer."""
        name = f"peer_{uuid4().hex[:8]}"
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(SQL("create database {}").format(Identifier(name)))
        return self.server.dsn_for("postgres", name)


@contextlib.asynccontextmanager
async def open_environment() -> AsyncIterator[Environment]:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rota-bench-")))
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        server = stack.enter_context(run_database(folder))
        databases = create_role_and_schema(server, "bench")
        # Migrations run a loop of their own.
        await asyncio.to_thread(migrated, databases)
        keys = Keys(folder=folder)
        model, port = free_port(), free_port()
        command = [sys.executable, "-m", "bench.chat.provider", "--port", str(model)]
        pid = await stack.enter_async_context(
            processes.run_process(command, log=folder / "provider.log")
        )
        await processes.wait_for_port(model, pid)
        service = await stack.enter_async_context(
            processes.run_process(
                [sys.executable, "-m", "chat_service"],
                log=folder / "service.log",
                environ=_environ(databases, keys, model, port),
            )
        )
        await processes.wait_for_port(port, service)
        yield Environment(
            folder=folder,
            server=server,
            databases=databases,
            model=f"http://127.0.0.1:{model}/v1",
            model_pid=pid,
            keys=keys,
            service_pid=service,
            service=f"127.0.0.1:{port}",
        )


def _environ(databases: ServiceDatabases, keys: Keys, model: int, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": databases.chat,
        "ROTA_LISTEN": f"127.0.0.1:{port}",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("chat_service")),
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model}/v1",
        "ROTA_DEFAULT_MODEL": "bench",
        "ROTA_DRAIN_SECONDS": "0",
        "ROTA_GRACE_SECONDS": "0",
        # One person opens all of them.
        "ROTA_STREAMS_PER_PERSON": "10000",
        "ROTA_STREAMS_PER_WORKSPACE": "10000",
    }
