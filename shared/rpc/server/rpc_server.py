"""A gRPC server with an interceptor, health, reflection and a graceful stop."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from shared import errors
from shared.rpc.server import reflection
from shared.rpc.server.interceptor import ServerInterceptor
from shared.rpc.tls import Tls
from shared.telemetry import logs

OPTIONS: Final = [
    # Two servers on one port would share it silently.
    ("grpc.so_reuseport", 0),
    # More than any call takes: the guard refuses what is too large, with its reason. A message is
    # read only when its caller is known.
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    # More headers than the gateway lets through: core refuses what is more in words of its own.
    ("grpc.max_metadata_size", 64 << 10),
    ("grpc.absolute_max_metadata_size", 64 << 10),
    # A gateway pings streams that are silent while a model thinks.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
]

# Calls get their status in this time, after they were ended and before grpc cuts them.
END_SECONDS: Final = 1.0
GC_THRESHOLDS: Final = (5_000, 6, 600)

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class RpcServer:
    """Serves `add`ed servicers under `service_names`; `start` binds the port.

    `drain_seconds` is how long a gateway gets to notice NOT_SERVING, `grace_seconds` how long
    calls in flight get to end. What is still open then ends with UNAVAILABLE and its reason.
    """

    listen: str
    interceptor: ServerInterceptor
    service_names: Sequence[str]
    add: Sequence[Callable[[Any], None]]
    grace_seconds: float = 10.0
    drain_seconds: float = 0.0
    tls: Tls | None = None
    port: int = 0
    _server: Any = field(default=None, init=False)
    _health: Any = field(default=None, init=False)

    async def start(self) -> None:
        """Binds the port and serves. Raises RuntimeError for a port that is taken."""
        self._server = grpc.aio.server(interceptors=[self.interceptor], options=OPTIONS)
        for add in self.add:
            add(self._server)
        self._health = _Health(self.service_names)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.add_reflection(self._server, self.service_names)
        try:
            self.port = self._bind()
        except RuntimeError:
            raise RuntimeError(f"{self.listen} can't be bound; is it taken?") from None
        await self._server.start()
        for name in ("", *self.service_names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("server_started", listen=self.listen, port=self.port)

    def _bind(self) -> int:
        if self.tls is None:
            return int(self._server.add_insecure_port(self.listen))
        return int(self._server.add_secure_port(self.listen, self.tls.server()))

    async def stop(self) -> None:
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self.drain_seconds)
        # No new call from here on: callers are told to go away.
        stop = asyncio.create_task(self._server.stop(self.grace_seconds + END_SECONDS))
        if not (await asyncio.wait([stop], timeout=self.grace_seconds))[0]:
            self.interceptor.end_calls()
        await stop
        log.info("server_stopped", port=self.port)


class _Health(health.aio.HealthServicer):
    """Health, which refuses a service that it does not know as every call is refused."""

    def __init__(self, service_names: Sequence[str]) -> None:
        super().__init__()
        self._names = frozenset(("", *service_names))

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the call's own name
        if request.service not in self._names:
            raise errors.ResourceNotFound(request.service)
        return await super().Check(request, context)


def tune_gc() -> None:
    """Starts garbage collection without the objects of the start, and makes it rarer.

    The middle generation is kept small: what it holds is collected at a stroke, and 150 beginning
    turns leave 200,000 objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
