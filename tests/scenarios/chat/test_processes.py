"""Two processes of one replica: both serve, one dies, the other goes on, and both drain."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from devstack.demo_model import DemoServer
from devstack.postgres_roles import ServiceDatabases
from shared.rpc import client, health
from tests.support.chat import asking, kinds, told
from tests.support.ports import free_ports
from tests.support.tokens import Keys

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A service of two processes; `first` is the port of process 0."""

    parent: asyncio.subprocess.Process
    first: int
    log: Path

    def address(self, number: int) -> str:
        return f"127.0.0.1:{self.first + number}"

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    async def until_serving(self, count: int) -> None:
        """Until processes have begun to serve for the `count`-th time."""
        async with asyncio.timeout(240):
            while len(self.events("process_serves")) < count:
                assert self.parent.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


@contextlib.asynccontextmanager
async def replica(
    databases: ServiceDatabases, keys: Keys, service: str, **more: str
) -> AsyncIterator[Replica]:
    first = free_ports(4)
    log = keys.folder / "log"
    with log.open("wb") as output:
        parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            service,
            env={
                **os.environ,
                "DATABASE_URL": databases.chat,
                "ROTA_PROCESSES": "2",
                "ROTA_LISTEN": f"127.0.0.1:{first}",
                "ROTA_METRICS_PORT": str(first + 2),
                "ROTA_PEER_ADDRESS": "127.0.0.1:1",
                "ROTA_JWKS_FILE": str(keys.jwks_file),
                "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
                "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file(service)),
                "ROTA_TURN_LEASE_SECONDS": "2",
                "ROTA_GRACE_SECONDS": "0",
                "ROTA_POOL_SIZE": "8",
                **more,
            },
            stdout=output,
            stderr=output,
        )
    try:
        yield Replica(parent=parent, first=first, log=log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()
        await parent.wait()


async def test_a_turn_outlives_its_process_beside_another_one(
    chat_databases: ServiceDatabases,
    keys: Keys,
    demo: DemoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metadata = [("authorization", f"Bearer {keys.user_token()}")]
    async with (
        replica(
            chat_databases,
            keys,
            "chat_service",
            OPENAI_API_KEY="demo",
            OPENAI_BASE_URL=demo.base_url,
            ROTA_DEFAULT_MODEL="demo",
        ) as running,
        client.open_channel(running.address(0)) as zero,
        client.open_channel(running.address(1)) as one,
    ):
        watching = chat_pb2_grpc.ChatServiceStub(zero)
        sending = chat_pb2_grpc.ChatServiceStub(one)
        await running.until_serving(2)
        monkeypatch.setenv("ROTA_LISTEN", running.address(0))
        monkeypatch.setenv("ROTA_PROCESSES", "2")
        assert await asyncio.to_thread(health.main) == 0
        assert "cygrpc" not in Path(f"/proc/{running.parent.pid}/maps").read_text()

        # a turn of one process is watched at the other
        demo.controls.hold(after=3, kind="chat")
        call = sending.SendMessage(asking("<<tokens=9>> go on"), metadata=metadata)
        turn = (await anext(aiter(call))).started.turn
        await demo.controls.until_held()
        watch = watching.WatchTurn(pb.WatchTurnRequest(name=turn), metadata=metadata)
        frames = aiter(watch)
        before = [await anext(frames)]
        while not before[-1].HasField("text_delta"):
            before.append(await anext(frames))

        # it goes on when its process dies
        zero_pid, one_pid = running.pids()
        os.kill(one_pid, signal.SIGKILL)
        with pytest.raises(grpc.aio.AioRpcError):
            await told(call)
        assert await asyncio.to_thread(health.main) == 1
        demo.controls.release()
        rest = [event async for event in frames if not event.HasField("heartbeat")]
        seen = [event for event in [*before, *rest] if not event.HasField("heartbeat")]
        assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
        assert "text_retracted" in kinds(seen)
        assert seen[-1].HasField("completed")

        # and the process that replaces it tells the same
        await running.until_serving(3)
        assert running.pids()[0] == zero_pid
        assert [(e["process"], e["code"]) for e in running.events("process_ended")] == [(1, -9)]
        again = sending.WatchTurn(pb.WatchTurnRequest(name=turn), metadata=metadata)
        assert await told(again) == seen

        async with httpx2.AsyncClient() as http:
            for number in (0, 1):
                found = await http.get(f"http://127.0.0.1:{running.first + 2 + number}/metrics")
                assert f'/{number}"' in found.text.partition("service_instance_id=")[2]

        running.parent.send_signal(signal.SIGTERM)
        assert await running.parent.wait() == 0
        assert [e["process"] for e in running.events("server_started")] == [0, 1, 1]
        assert sorted(e["process"] for e in running.events("server_stopped")) == [0, 1]


async def test_what_is_wrong_at_the_start_is_said_once(
    databases: ServiceDatabases, keys: Keys
) -> None:
    async with replica(databases, keys, "automation_service", ROTA_SECRET_KEYS="short") as running:
        assert await running.parent.wait() == 2
    lines = [line for line in running.log.read_text().splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert lines[0].startswith("automation_service: ROTA_SECRET_KEYS: ")
