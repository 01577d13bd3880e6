"""Services as processes of their own, to be killed and started again."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devstack.postgres.roles import ServiceDatabases
from tests.support.credentials.tokens import Keys
from tests.support.processes import forks

_MOVED_TO: Final = 0x80  # IN_MOVED_TO of inotify(7)


@dataclass(frozen=True, slots=True)
class FileClock:
    """The time that a file says; whoever writes the file moves the clock of many processes."""

    path: Path

    def now(self) -> datetime:
        return datetime.fromisoformat(self.path.read_text())

    def set(self, moment: datetime) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(moment.isoformat())
        beside.replace(self.path)

    async def wait_until(self, moment: datetime, woken: asyncio.Event) -> None:
        come = asyncio.Event()

        def look() -> None:
            if self.now() >= moment:
                come.set()

        with _changes(self.path.parent, look):
            if self.now() >= moment or woken.is_set():
                return
            waits = [asyncio.ensure_future(each.wait()) for each in (come, woken)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()


@contextlib.contextmanager
def _changes(folder: Path, notice: Callable[[], None]) -> Iterator[None]:
    """Calls `notice` in the running loop whenever a file of the folder is replaced."""
    libc, loop = ctypes.CDLL(None, use_errno=True), asyncio.get_running_loop()
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watch < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")

    def read() -> None:
        os.read(watch, 65536)
        notice()

    try:
        if libc.inotify_add_watch(watch, os.fsencode(folder), _MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(folder))
        loop.add_reader(watch, read)
        yield
    finally:
        loop.remove_reader(watch)
        os.close(watch)


@dataclass(slots=True, kw_only=True)
class Process:
    """One service that can be killed and started again on its port."""

    name: str
    port: int
    clock: FileClock
    environment: Mapping[str, str]
    log: Path
    _running: forks.Fork | None = field(default=None)

    async def start(self) -> None:
        self._running = forks.start(self.name, self.clock.path, self.environment, self.log)
        await self._until_serving()

    @property
    def alive(self) -> bool:
        return self._running is not None

    def another(self, port: int, log: Path) -> "Process":
        """A replica, not yet started."""
        environment = {**self.environment, "ROTA_LISTEN": f"127.0.0.1:{port}"}
        return Process(
            name=self.name, port=port, clock=self.clock, environment=environment, log=log
        )

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        if self._running is not None:
            await asyncio.to_thread(self._running.kill)
            self._running = None

    def freeze(self) -> None:
        """SIGSTOP: it does nothing, and knows nothing of the time that passes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)

    async def _until_serving(self) -> None:
        async with (
            asyncio.timeout(240),
            grpc.aio.insecure_channel(
                f"127.0.0.1:{self.port}",
                options=[
                    ("grpc.use_local_subchannel_pool", 1),
                    # it would look ever less often, and a start takes as long as it takes
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 500),
                ],
            ) as channel,
        ):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            while True:
                assert self._running is not None
                if self._running.poll() is not None:
                    raise AssertionError(self.log.read_text()[-3000:])
                try:
                    await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)
                else:
                    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    chat: Process
    automation: Process
    clock: FileClock


@contextlib.asynccontextmanager
async def processes(
    databases: ServiceDatabases,
    keys: Keys,
    model_url: str,
    clock: FileClock,
    ports: tuple[int, int],
    more: Mapping[str, str] | None = None,
    *,
    replicas: Sequence[int] = (),
) -> AsyncIterator[Processes]:
    """Both services; `more` is told to both.

    `replicas` are the ports of further replicas of chat_service, which the caller starts:
    automation_service calls whichever is alive, as behind one name.
    """
    chat_port, automation_port = ports
    chats = ",".join(f"127.0.0.1:{port}" for port in (chat_port, *replicas))
    common = {
        "ROTA_DRAIN_SECONDS": "0",
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "OPENAI_API_KEY": "demo",
        "OPENAI_BASE_URL": model_url,
        "ROTA_DEFAULT_MODEL": "demo",
        **(more or {}),
    }
    chat = Process(
        name="chat_service",
        port=chat_port,
        clock=clock,
        log=keys.folder / "chat.log",
        environment={
            **common,
            "DATABASE_URL": databases.chat,
            "ROTA_LISTEN": f"127.0.0.1:{chat_port}",
            "ROTA_PEER_ADDRESS": f"127.0.0.1:{automation_port}",
            "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("chat_service")),
            # Renewed four times in that, on a machine that may have no time to spare.
            "ROTA_TURN_LEASE_SECONDS": "6",
        },
    )
    automation = Process(
        name="automation_service",
        port=automation_port,
        clock=clock,
        log=keys.folder / "automation.log",
        environment={
            **common,
            "DATABASE_URL": databases.automation,
            "ROTA_LISTEN": f"127.0.0.1:{automation_port}",
            "ROTA_PEER_ADDRESS": chats,
            "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("automation_service")),
            "ROTA_LEASE_SECONDS": "3",
            "ROTA_LOOK_SECONDS": "1",
        },
    )
    try:
        await asyncio.gather(chat.start(), automation.start())
        yield Processes(chat=chat, automation=automation, clock=clock)
    finally:
        await asyncio.gather(chat.kill(), automation.kill())


async def serve(name: str, clock: FileClock) -> None:
    if name == "chat_service":
        from chat_service import bootstrap as chat
        from chat_service.settings import ChatSettings

        async with chat.service(ChatSettings(), clock=clock):
            await _serve_on()
    else:
        from automation_service import bootstrap as automation
        from automation_service.settings import AutomationSettings

        async with automation.service(AutomationSettings(), clock=clock):
            await _serve_on()


async def _serve_on() -> None:
    gc.freeze()
    gc.enable()
    await asyncio.Event().wait()


if __name__ == "__main__":
    gc.disable()  # what a start makes stays
    asyncio.run(serve(sys.argv[1], FileClock(Path(sys.argv[2]))))
