"""The service as a process: it starts, drains, dies, and another one goes on."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from tests.support.credentials.tokens import Keys
from tests.support.processes import forks
from tests.support.service_parts.agent_server import agent_server
from tests.support.service_parts.agents import FakeAgent, Gate
from tests.support.system.automation import START, execute, news, running, schedule, until

FIRST = START + timedelta(seconds=30)


def environment(url: str, keys: Keys, peer: str, **settings: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "ROTA_LISTEN": "127.0.0.1:0",
        "ROTA_PEER_ADDRESS": peer,
        "ROTA_JWKS_FILE": str(keys.jwks_file),
        "ROTA_SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "ROTA_SERVICE_KEY_FILE": str(keys.service_key_file("automation_service")),
        "ROTA_DRAIN_SECONDS": "0",
        **settings,
    }


@dataclass(frozen=True, slots=True)
class Process:
    fork: forks.Fork
    output: Path

    @property
    def lines(self) -> list[str]:
        """What it has printed in whole lines, on either stream."""
        text = self.output.read_text() if self.output.exists() else ""
        return text.rpartition("\n")[0].splitlines()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any] | None:
        return next((e for e in self.events() if e["event"] == name), None)

    async def started(self) -> int:
        """The port it serves on."""

        async def bound() -> Any:
            return self.event("server_started")

        return int((await until(bound, 90))["port"])

    async def ended(self, seconds: float = 90) -> int:
        async def code() -> tuple[int] | None:
            found = self.fork.poll()
            return None if found is None else (found,)

        [found] = await until(code, seconds)
        return int(found)


@contextlib.asynccontextmanager
async def process(
    folder: Path, env: dict[str, str], arguments: Sequence[str] = ()
) -> AsyncIterator[Process]:
    output = folder / f"output-{uuid4()}"
    fork = forks.start_program("automation_service", arguments, env, output, output)
    try:
        yield Process(fork, output)
    finally:
        await asyncio.to_thread(fork.kill)


async def test_it_migrates_serves_and_drains_on_sigterm(
    automation_database_url: str, keys: Keys
) -> None:
    env = environment(automation_database_url, keys, "127.0.0.1:1")
    async with process(keys.folder, env, ["migrate"]) as migrating:
        assert await migrating.ended() == 0, migrating.lines
    async with process(keys.folder, env) as serving:
        port = await serving.started()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="rota.automation.v1.AutomationService")
            answer = await health.Check(request, timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        while serving.fork.poll() is None:  # until its last moment
            serving.fork.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.001)
        assert await serving.ended() == 0
        assert all(line.startswith("{") for line in serving.lines), serving.lines
        assert {e["service"] for e in serving.events()} == {"automation_service"}
        assert serving.event("server_stopped")


async def test_a_database_that_was_not_migrated_is_said(
    automation_database_url: str, keys: Keys
) -> None:
    env = environment(automation_database_url, keys, "127.0.0.1:1")
    async with process(keys.folder, env) as serving:
        assert await serving.ended() == 1
    assert "migrate" in serving.lines[-1]


async def test_a_taken_port_is_said(url: str, keys: Keys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        env = environment(url, keys, "127.0.0.1:1", ROTA_LISTEN=address)
        async with process(keys.folder, env) as serving:
            assert await serving.ended() == 1
    assert any(address in line and "taken" in line for line in serving.lines)


async def test_help_lists_every_setting_and_a_missing_one_is_named(keys: Keys) -> None:
    async with process(keys.folder, {}, ["--help"]) as helping:
        assert await helping.ended() == 0
    text = "\n".join(helping.lines)
    for name in ("DATABASE_URL", "ROTA_LISTEN", "ROTA_MAX_CONSECUTIVE_FAILURES", "migrate"):
        assert name in text
    env = environment("postgresql://nowhere", keys, "")
    del env["DATABASE_URL"]
    async with process(keys.folder, env) as serving:
        assert await serving.ended() == 2
    assert any("DATABASE_URL" in line for line in serving.lines)


@pytest.mark.parametrize(
    # What a drained one hands back need not wait for its lease.
    ("end", "lease"),
    [(signal.SIGKILL, "3"), (signal.SIGTERM, "3600")],
    ids=["killed", "drained"],
)
async def test_a_run_of_a_worker_that_ends_goes_on_elsewhere(
    url: str, keys: Keys, end: signal.Signals, lease: str
) -> None:
    agent = FakeAgent()
    gate = Gate()
    agent.act = gate
    clock = ManualClock(START)
    steps = [
        {"step_id": s, "action": "agent_task", "config": {"prompt": s}} for s in ("one", "two")
    ]
    async with (
        agent_server(keys, agent) as (peer, _),
        running(url, keys, clock=clock, roles="api,ticker") as rota,
    ):
        name = (await rota.create(news(triggers=[schedule()], plan=steps))).name
        env = environment(url, keys, peer, ROTA_ROLES="worker", ROTA_LEASE_SECONDS=lease)
        async with process(keys.folder, env) as first:
            clock.set(FIRST)
            await asyncio.wait_for(gate.entered.wait(), 90)
            async with process(keys.folder, env) as second:
                await until(lambda: _event(second, "service_started"), 90)
                first.fork.send_signal(end)
                await first.ended()
                await until(lambda: _event(second, "run_claimed"))
                gate.opened.set()
                [run] = await rota.ended(name)
        assert run.state == pb.Run.SUCCEEDED
        assert run.attempt >= 2
        run_id = run.name.rpartition("/")[2]
        # The step in hand was taken up again, not begun again.
        assert [t.request_id for t in agent.begun] == [f"{run_id}:one:1", f"{run_id}:two:1"]
        assert len(await rota.slots(name)) == 1


async def _event(found: Process, name: str) -> dict[str, Any] | None:
    return found.event(name)


async def test_it_goes_on_after_its_database_connections_were_cut(
    url: str, keys: Keys, database_admin: str
) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock) as rota:
        name = (await rota.create(news(triggers=[schedule()]))).name
        clock.set(FIRST)
        await rota.ended(name, 1)
        await execute(
            database_admin,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()",
        )
        clock.set(FIRST + timedelta(minutes=1))

        async def second() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                runs = await rota.runs(name)
                return len(runs) == 2 and all(r.state == pb.Run.SUCCEEDED for r in runs)
            return False

        assert await until(second)
