"""A real Envoy before two real gRPC servers that say what they were asked."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.automation.v1 import automation_pb2, automation_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from devstack import dev_token, keys
from gateway.http.sse.ticket import new_key
from tests.gateway.replicas import Front, Replica, front, serving, until
from tests.support.processes import gateway_processes
from tests.support.processes.gateway_processes import GatewayProcesses
from tests.support.processes.ports import free_port

FRAMES = 4


class Chat(chat_pb2_grpc.ChatServiceServicer):
    def __init__(self) -> None:
        self.metadata: dict[str, str] = {}

    async def GetThread(self, request: Any, context: Any) -> chat_pb2.Thread:  # noqa: N802
        self.metadata = dict(context.invocation_metadata())
        if request.name.endswith("/none"):
            info, packed = error_details_pb2.ErrorInfo(), any_pb2.Any()
            info.reason, info.domain = "RESOURCE_NOT_FOUND", "rota.dev"
            info.metadata["resource"] = request.name
            packed.Pack(info)
            status = status_pb2.Status(code=5, message="no such thread", details=[packed])
            await context.abort_with_status(rpc_status.to_status(status))
        return chat_pb2.Thread(name=request.name, display_name="A thread")

    async def CreateThread(self, request: Any, context: Any) -> chat_pb2.Thread:  # noqa: N802
        return chat_pb2.Thread(
            name=f"{request.parent}/threads/t", display_name=request.thread.display_name
        )

    async def SendMessage(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[chat_pb2.TurnEvent]:
        said = "".join(part.text for part in request.message.parts)
        for sequence in range(1, FRAMES):
            delta = chat_pb2.TextDelta(message="m", text=said[:20])
            yield chat_pb2.TurnEvent(sequence=sequence, text_delta=delta)
        yield chat_pb2.TurnEvent(sequence=FRAMES, completed=chat_pb2.TurnCompleted())


class Automation(automation_pb2_grpc.AutomationServiceServicer):
    async def GetAutomation(  # noqa: N802
        self, request: Any, context: Any
    ) -> automation_pb2.Automation:
        return automation_pb2.Automation(name=request.name, display_name="An automation")

    async def PauseAutomation(  # noqa: N802
        self, request: Any, context: Any
    ) -> automation_pb2.Automation:
        return automation_pb2.Automation(name=request.name, pause_note=request.note)


class Agent(agent_pb2_grpc.AgentServiceServicer):
    async def ListCapabilities(  # noqa: N802
        self, request: Any, context: Any
    ) -> agent_pb2.ListCapabilitiesResponse:
        return agent_pb2.ListCapabilitiesResponse()


@dataclass(kw_only=True)
class Backends:
    """Both servers, on an event loop in a thread of its own."""

    chat: Chat = field(default_factory=Chat)
    ports: list[int] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    servers: list[Any] = field(default_factory=list)

    def run(self, coroutine: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(60)

    async def start(self) -> None:
        options = [("grpc.so_reuseport", 0)]
        chat, automation = grpc.aio.server(options=options), grpc.aio.server(options=options)
        chat_pb2_grpc.add_ChatServiceServicer_to_server(self.chat, chat)
        agent_pb2_grpc.add_AgentServiceServicer_to_server(Agent(), chat)
        automation_pb2_grpc.add_AutomationServiceServicer_to_server(Automation(), automation)
        for server, name in (
            (chat, "rota.chat.v1.ChatService"),
            (automation, "rota.automation.v1.AutomationService"),
        ):
            healthy = health.aio.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
            await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
            self.ports.append(server.add_insecure_port("127.0.0.1:0"))
            self.servers.append(server)
            await server.start()

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop(None)


@dataclass(frozen=True, kw_only=True)
class Gateway:
    port: int
    backends: Backends
    signing: keys.Keys
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, life: timedelta = timedelta(hours=1)) -> str:
        return dev_token.mint(self.signing, workspaces={"dev": "owner"}, life=life)

    def auth(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token()}"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    backends = Backends()
    thread = threading.Thread(target=backends.loop.run_forever, daemon=True)
    thread.start()
    backends.run(backends.start())
    made = Gateway(
        port=free_port(), backends=backends, signing=keys.ensure(folder), log=folder / "log"
    )
    processes = launch(made, folder)
    try:
        await_ready(made, processes, folder)
        yield made
    finally:
        processes.end()
        backends.run(backends.stop())
        backends.loop.call_soon_threadsafe(backends.loop.stop)
        thread.join(60)


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A gateway and the one server behind it, which answers as a test says."""

    front: Front
    replica: Replica
    ticket_keys: str


@pytest.fixture(scope="session")
def scripted_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    folder, replica, keys = tmp_path_factory.mktemp("scripted"), Replica(), new_key()
    with serving(replica), front(folder, [replica.address], ROTA_TICKET_KEYS=keys) as made:
        path = "/v1/workspaces/w/threads/t"
        until(lambda: made.http("GET", path).status_code == 200, lambda: "not reached")
        yield Scripted(front=made, replica=replica, ticket_keys=keys)


@pytest.fixture
def scripted(scripted_gateway: Scripted) -> Iterator[Scripted]:
    """Afterwards it does nothing but answer."""
    replica = scripted_gateway.replica
    replica.calls.clear()
    yield scripted_gateway
    replica.act = lambda method, context: None
    replica.frames = lambda context: iter(())


@pytest.fixture
def deserted(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with nobody behind it."""
    backends = Backends(ports=[free_port(), free_port()])
    made = Gateway(
        port=free_port(), backends=backends, signing=keys.ensure(tmp_path), log=tmp_path / "log"
    )
    processes = launch(made, tmp_path)
    try:
        await_status(made, processes, tmp_path, 200, "/healthz")
        await_status(made, processes, tmp_path, 404, "/v1/none")
        yield made
    finally:
        processes.end()
        backends.loop.close()


def launch(made: Gateway, folder: Path) -> GatewayProcesses:
    chat, automation = made.backends.ports
    told = {
        "ROTA_GATEWAY_LISTEN": f"127.0.0.1:{made.port}",
        "ROTA_CHAT_ADDRESS": f"127.0.0.1:{chat}",
        "ROTA_AUTOMATION_ADDRESS": f"127.0.0.1:{automation}",
        "ROTA_JWKS_FILE": str(made.signing.users_jwks),
        "ROTA_GATEWAY_WORKERS": "1",
        "ROTA_GATEWAY_CONFIG": str(folder / "envoy.yaml"),
    }
    return gateway_processes.launch(told, folder / "log")


def await_ready(made: Gateway, processes: GatewayProcesses, folder: Path) -> None:
    """Until calls reach both servers."""
    for path in ("/v1/workspaces/dev/threads/t", "/v1/workspaces/dev/automations/a"):
        await_status(made, processes, folder, 200, path)


def await_status(
    made: Gateway, processes: GatewayProcesses, folder: Path, status: int, path: str
) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and processes.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(made.url + path, headers=made.auth()).status_code == status:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text()[-3000:])


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel
