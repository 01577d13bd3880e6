"""The whole system as processes of its own: both services, a second chat_service, a gateway.

The tests of a session share it; each has a workspace of its own, and the clock only goes forward.
"""

import contextlib
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_status import rpc_status

from devstack import health
from devstack.postgres.roles import ServiceDatabases
from tests.support.credentials.tokens import Keys
from tests.support.processes import forks
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock
from tests.support.system.chat import QUIET_SECONDS, SECRET_KEY, START

CHAT: Final = "rota.chat.v1.ChatService"
AUTOMATION: Final = "rota.automation.v1.AutomationService"
AGENT: Final = "rota.agent.v1.AgentService"
NOTICES: Final = "rota.notice.v1.NoticeService"
NOBODY: Final = "127.0.0.1:1"
Metadata = list[tuple[str, str]]

GENERATED: Final = Path(__file__).parents[3] / "shared" / "gen"


def _methods() -> Iterator[tuple[str, MethodDescriptor]]:
    """Of whatever the contract has: a new service needs no line here."""
    for file in sorted(GENERATED.glob("rota/*/*/*_pb2.py")):
        module = ".".join(file.relative_to(GENERATED).with_suffix("").parts)
        for service in importlib.import_module(module).DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"{service.name}/{method.name}", method


# `ChatService/GetThread` → its descriptor
METHODS: Final[Mapping[str, MethodDescriptor]] = dict(_methods())
# Which service calls those that only services may call.
CALLERS: Final = {"AgentService": "automation_service", "NoticeService": "chat_service"}
INTERNAL: Final = [name for name in METHODS if name.partition("/")[0] in CALLERS]
# Streams that go on until somebody leaves, and how long a test reads one that may say nothing.
ENDLESS: Final = frozenset({"InboxService/WatchInboxItems"})
SOON: Final = 1.5
PATIENCE: Final = 60.0  # in seconds, for what comes
PUBLIC: Final = [name for name in METHODS if name not in INTERNAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """`other_chat` is a replica that can't reach automation_service."""

    folder: Path
    keys: Keys
    databases: ServiceDatabases
    clock: FileClock
    chat: str
    other_chat: str
    automation: str
    gateway: str
    _channels: dict[str, grpc.Channel] = field(default_factory=dict)
    _started: "list[tuple[subprocess.Popen[bytes] | forks.Fork, Path]]" = field(
        default_factory=list
    )

    @property
    def url(self) -> str:
        return f"http://{self.gateway}"

    def tenant(self, user: str = "ada", workspace: str = "") -> "Tenant":
        """A person alone in a workspace."""
        return Tenant(self, workspace or f"w{uuid4().hex[:12]}", user)

    def address(self, method: str) -> str:
        ours = method.startswith(("ChatService/", "AgentService/"))
        return self.chat if ours else self.automation

    def call(self, method: str, request: Message, metadata: Metadata, address: str = "") -> Any:
        """The answer; of a stream all its frames, or the first of one that does not end."""
        kind = GetMessageClass(METHODS[method].output_type)
        answer = self.raw(method, request, metadata, address)
        if isinstance(answer, bytes):
            return kind.FromString(answer)
        return [kind.FromString(frame) for frame in answer]

    def raw(
        self,
        method: str,
        request: Message,
        metadata: Metadata,
        address: str = "",
        seconds: float = PATIENCE,
    ) -> Any:
        """What came over the wire: bytes, or of a stream the list of its frames.

        Of one that does not end by itself it is the first, if one comes within `seconds`.
        """
        call = self.begin(method, request, metadata, address, seconds)
        if method in ENDLESS:
            return _first_frame(call)
        return list(call) if METHODS[method].server_streaming else call.result()

    def begin(
        self,
        method: str,
        request: Message,
        metadata: Metadata,
        address: str = "",
        seconds: float = PATIENCE,
    ) -> Any:
        """The call itself, for whoever wants to cut it. Frames are bytes."""
        channel: Any = self.channel(address or self.address(method))
        path = f"/{METHODS[method].containing_service.full_name}/{METHODS[method].name}"
        write = type(request).SerializeToString
        if METHODS[method].server_streaming:
            stream = channel.unary_stream(path, request_serializer=write)
            return stream(request, metadata=metadata, timeout=seconds)
        return channel.unary_unary(path, request_serializer=write).future(
            request, metadata=metadata, timeout=seconds
        )

    def refusal(
        self, method: str, request: Message, metadata: Metadata, address: str = ""
    ) -> status_pb2.Status:
        """The status a call is refused with; an answer instead is a failed test."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request, metadata, address)
        found = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
        assert found is not None, f"without details: {caught.value}"
        return found

    def advance(self, step: timedelta) -> datetime:
        self.clock.set(self.clock.now() + step)
        return self.clock.now()

    def execute(self, statement: str, *arguments: object) -> list[Any]:
        """What an operator with SQL does. Returns the rows, if there are any."""
        with psycopg.connect(self.databases.superuser, autocommit=True) as connection:
            answer = connection.execute(statement.encode(), arguments)
            return answer.fetchall() if answer.description else []

    def ended(self) -> list[str]:
        """The logs of the processes that run no more; nothing starts them again."""
        return [path.name for process, path in self._started if process.poll() is not None]

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def channel(self, address: str) -> grpc.Channel:
        if address not in self._channels:
            options = [("grpc.use_local_subchannel_pool", 1)]
            self._channels[address] = grpc.insecure_channel(address, options)
        return self._channels[address]


def _first_frame(call: Any) -> list[bytes]:
    try:
        return [next(call)]
    except grpc.RpcError as error:
        if cast(grpc.Call, error).code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return []
        raise
    finally:
        call.cancel()


@dataclass(frozen=True, slots=True)
class Tenant:
    live: Live
    id: str
    user: str = "ada"

    @property
    def name(self) -> str:
        return f"workspaces/{self.id}"

    def token(self, role: str = "owner") -> str:
        """Of the tenant's owner, or of somebody with another role: a token sets its user's role."""
        user = self.user if role == "owner" else f"{self.user}-the-{role}"
        return self.live.keys.user_token(user, {self.id: role}, expires_in=timedelta(days=1))

    def metadata(self, method: str = "", role: str = "owner") -> Metadata:
        """Of a person's call; of the other service's own where only services may call."""
        calls = CALLERS.get(method.partition("/")[0])
        if calls is None:
            return [("authorization", f"Bearer {self.token(role)}")]
        called = next(service for service in CALLERS.values() if service != calls)
        return self.live.keys.service_headers(
            calls, audience=called, user=self.user, workspace=self.id
        )

    def call(self, method: str, request: Message, address: str = "") -> Any:
        return self.live.call(method, request, self.metadata(method), address)

    def refusal(self, method: str, request: Message, address: str = "") -> status_pb2.Status:
        return self.live.refusal(method, request, self.metadata(method), address)


@contextlib.contextmanager
def live(
    fresh_database: AbstractContextManager[ServiceDatabases],
    folder: Path,
    gateway_settings: Mapping[str, str] | None = None,
) -> Iterator[Live]:
    """Starts everything and ends it. The clock stands at START."""
    keys = Keys(folder=folder)
    clock = FileClock(folder / "clock")
    clock.set(START)
    model, chat, other, automation, door, gateway = (f"127.0.0.1:{free_port()}" for _ in range(6))
    with contextlib.ExitStack() as stack:
        databases = stack.enter_context(fresh_database)
        made = Live(
            folder=folder,
            keys=keys,
            databases=databases,
            clock=clock,
            chat=chat,
            other_chat=other,
            automation=automation,
            gateway=gateway,
        )
        stack.callback(made.close)
        start = _Starter(stack, folder, made._started)
        demo = ["devstack.demo_model", "--port", model.rpartition(":")[2], "--delay", "0.001"]
        start("model", demo, {})
        for name, listen, peer in (
            ("chat_service", chat, automation),
            ("chat_service", other, NOBODY),
            ("automation_service", automation, chat),
        ):
            start.fork(name, clock.path, listen, _told(made, name, listen, peer, model))
        reached = {
            "ROTA_HTTP_LISTEN": door,
            "ROTA_HTTP_ADDRESS": door,
            "ROTA_CHAT_ADDRESS": chat,
            "ROTA_AUTOMATION_ADDRESS": automation,
        }
        start("gateway_http", ["gateway.http"], reached)
        start(
            "gateway",
            ["gateway"],
            {
                **reached,
                "ROTA_GATEWAY_LISTEN": gateway,
                "ROTA_JWKS_FILE": str(keys.jwks_file),
                "ROTA_GATEWAY_WORKERS": "1",
                "ROTA_GATEWAY_CONFIG": str(folder / "envoy.yaml"),
                **(gateway_settings or {}),
            },
        )
        start.until(lambda: health.is_serving(automation, AUTOMATION))
        start.until(lambda: all(health.is_serving(a, CHAT) for a in (chat, other)))
        # A service that does not know the tools yet refuses none.
        start.until(lambda: bool(made.execute("select 1 from automation.capability_catalogue")))
        known = made.tenant()
        start.until(lambda: health.is_reachable(made.url, known.token(), known.id))
        yield made


def _told(made: Live, name: str, listen: str, peer: str, model: str) -> dict[str, str]:
    databases = made.databases
    return {
        "DATABASE_URL": databases.chat if name == "chat_service" else databases.automation,
        "ROTA_LISTEN": listen,
        "ROTA_PEER_ADDRESS": peer,
        "ROTA_JWKS_FILE": str(made.keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(made.keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(made.keys.service_key_file(name)),
        "ROTA_APPROVAL_DAYS": "0.5",
        "ROTA_POOL_SIZE": "4",
        "ROTA_LOOK_SECONDS": "0.2",
        "ROTA_HEARTBEAT_SECONDS": str(QUIET_SECONDS),
        "ROTA_SECRET_KEYS": SECRET_KEY,
        "ROTA_LOCAL_MODELS": "true",
        "ROTA_LOCAL_WEBHOOKS": "true",
        "ROTA_LOCAL_DESTINATIONS": "true",
        "OPENAI_API_KEY": "demo",
        "OPENAI_BASE_URL": f"http://{model}/v1",
        "ROTA_DEFAULT_MODEL": "demo",
    }


@dataclass(slots=True)
class _Starter:
    stack: contextlib.ExitStack
    folder: Path
    started: list[tuple[subprocess.Popen[bytes] | forks.Fork, Path]] = field(default_factory=list)

    def __call__(self, name: str, command: list[str], told: Mapping[str, str]) -> None:
        path = self.folder / f"{name}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env={**os.environ, **told}, stdout=log, stderr=log
            )
        self.stack.callback(_end, process)
        self.started.append((process, path))

    def fork(self, name: str, clock: Path, listen: str, told: Mapping[str, str]) -> None:
        path = self.folder / f"{name}-{listen}.log"
        process = forks.start(name, clock, told, path)
        self.stack.callback(process.kill)
        self.started.append((process, path))

    def until(self, condition: Callable[[], bool], seconds: float = 180.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            for process, path in self.started:
                assert process.poll() is None, path.read_text()[-3000:]
            assert time.monotonic() < deadline, [p.name for _, p in self.started]
            time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Nobody waits for what they were doing.
    process.kill()
    process.wait(60)
