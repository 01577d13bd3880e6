"""Servers that answer every call of the contract as a test says, and gateways before them."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import httpx2
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from shared.rpc.server.rpc_server import OPTIONS
from tests.support.credentials.tokens import Keys
from tests.support.processes import gateway_processes
from tests.support.processes.gateway_processes import GatewayProcesses
from tests.support.processes.ports import free_port
from tests.support.system.live import AGENT, AUTOMATION, CHAT, METHODS

# `/rota.chat.v1.ChatService/GetThread` → `ChatService/GetThread`
PATHS: Final = {f"/{m.containing_service.full_name}/{m.name}": n for n, m in METHODS.items()}
Act = Callable[[str, grpc.ServicerContext], object]
Frames = Callable[[grpc.ServicerContext], Iterator[Message]]


@dataclass(kw_only=True)
class Replica(grpc.GenericRpcHandler):
    """Serves everything, AgentService too. `act` is done before each answer.

    `answers` are what is answered, by the method's name; the rest is empty.
    """

    host: str = "127.0.0.1"
    credentials: grpc.ServerCredentials | None = None
    act: Act = lambda method, context: None
    frames: Frames = lambda context: iter(())
    answers: dict[str, Message] = field(default_factory=dict)
    requests: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    metadata: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.health = health.HealthServicer()
        self.server = grpc.server(ThreadPoolExecutor(32), handlers=[self], options=OPTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        if self.credentials is None:
            self.port = self.server.add_insecure_port(f"{self.host}:{self.port}")
        else:
            self.port = self.server.add_secure_port(f"{self.host}:{self.port}", self.credentials)
        self.well(True)
        self.server.start()

    def well(self, is_well: bool) -> None:
        """What it says of itself."""
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if is_well else kinds.NOT_SERVING
        for name in ("", CHAT, AUTOMATION, AGENT):
            self.health.set(name, status)

    def service(self, handler_call_details: Any) -> Any:
        name = PATHS.get(handler_call_details.method)
        if name is None:
            return None

        def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.requests[name] = request
            self._seen(name, context)
            answer = self.answers.get(name)
            return answer.SerializeToString() if answer is not None else b""

        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            self.requests[name] = request
            self._seen(name, context)
            for frame in self.frames(context):
                yield frame.SerializeToString()

        if METHODS[name].server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)

    def _seen(self, name: str, context: grpc.ServicerContext) -> None:
        self.calls[name] += 1
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self.act(name, context)


@contextlib.contextmanager
def serving(*replicas: Replica) -> Iterator[None]:
    for replica in replicas:
        replica.start()
    try:
        yield
    finally:
        for stopped in [replica.server.stop(None) for replica in replicas]:
            stopped.wait(60)


class Relay:
    """The way to a replica. When it is cut, all connections end, as of a process that is killed.

    When it hangs, it takes connections and what is sent, and nothing arrives.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends = [self._listener]
        self._hangs = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def hang(self) -> None:
        self._hangs.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += near, far
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(1 << 16):
                if not self._hangs.is_set():
                    target.sendall(some)
            target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, kw_only=True)
class Front:
    """A gateway, both of whose programs write to `log`.

    `verify` is what its certificate is verified by, if it has one.
    """

    listen: str
    keys: Keys
    pid: int
    log: Path
    verify: Any = True
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.listen}"

    def auth(self, user: str = "ada", **claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys.user_token(user, **claims)}"}

    def http(self, method: str, path: str, user: str = "ada", **more: Any) -> httpx2.Response:
        headers = {**self.auth(user), **more.pop("headers", {})}
        # Without TLS nobody needs the certificates of the world.
        verify = self.verify if self.scheme == "https" else False
        with httpx2.Client(verify=verify, timeout=60) as client:
            return client.request(method, self.url + path, headers=headers, **more)

    @contextlib.contextmanager
    def calls(self, user: str = "ada", authority: bytes | None = None) -> Iterator["Calls"]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        if authority is None:
            made = grpc.insecure_channel(self.listen, options)
        else:
            credentials = grpc.ssl_channel_credentials(authority)
            made = grpc.secure_channel(self.listen, credentials, options)
        with made as channel:
            yield Calls(channel, list(self.auth(user).items()))


@dataclass(frozen=True)
class Calls:
    """gRPC through a gateway. Requests and answers are bytes."""

    channel: Any
    metadata: list[tuple[str, str]]

    def begin(self, name: str, *more: tuple[str, str], path: str = "") -> Any:
        """A call by its name in METHODS, or by its path."""
        method = METHODS.get(name)
        path = path or f"/{METHODS[name].containing_service.full_name}/{METHODS[name].name}"
        metadata = [*self.metadata, *more]
        if method is not None and method.server_streaming:
            return self.channel.unary_stream(path)(b"", metadata=metadata, timeout=60)
        return self.channel.unary_unary(path).future(b"", metadata=metadata, timeout=60)

    def code(self, name: str, *more: tuple[str, str], path: str = "") -> grpc.StatusCode:
        call = self.begin(name, *more, path=path)
        with contextlib.suppress(grpc.RpcError):
            list(call) if name in METHODS and METHODS[name].server_streaming else call.result()
        found: grpc.StatusCode = call.code()
        return found


@contextlib.contextmanager
def front(
    folder: Path,
    chat: Sequence[str],
    automation: Sequence[str] = (),
    *,
    verify: Any = True,
    **settings: str,
) -> Iterator[Front]:
    """A gateway that serves. Without an automation_service, chat's replicas are that too."""
    keys = Keys(folder=folder)
    listen = f"127.0.0.1:{free_port()}"
    told = {
        "ROTA_GATEWAY_LISTEN": listen,
        "ROTA_CHAT_ADDRESS": ",".join(chat),
        "ROTA_AUTOMATION_ADDRESS": ",".join(automation or chat),
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_GATEWAY_WORKERS": "1",
        "ROTA_GATEWAY_CONFIG": str(folder / "envoy.yaml"),
        # Most tests make more calls than a person.
        "ROTA_RATE_PER_SECOND": "10000",
        "ROTA_RATE_BURST": "10000",
        **settings,
    }
    processes = gateway_processes.launch(told, folder / "log")
    scheme = "https" if "ROTA_GATEWAY_TLS_CERT_FILE" in settings else "http"
    made = Front(
        listen=listen,
        keys=keys,
        pid=processes.envoy.pid,
        log=folder / "log",
        verify=verify,
        scheme=scheme,
    )
    try:
        _await_up(made, processes, folder / "log")
        yield made
    finally:
        processes.end()


def _await_up(made: Front, processes: GatewayProcesses, log: Path) -> None:
    def is_up() -> bool:
        assert processes.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(httpx2.TransportError):
            # The door says that there is no such path.
            at = {"/healthz": 200, "/v1/none": 404}
            return all(made.http("GET", path).status_code == code for path, code in at.items())
        return False

    until(is_up, lambda: log.read_text()[-3000:])


def until(
    condition: Callable[[], object], what: Callable[[], object], seconds: float = 180.0
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)
