"""`make run`: one process tree that starts whole, stays whole and stops whole."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from devstack import health, state
from devstack.process import start_time
from devstack.programs import AUTOMATION, CHAT, SERVED
from shared.rpc import health as service_health
from tests.support.calls import patient
from tests.support.database.postgres import memory_folder
from tests.support.processes.ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
FAKES = "tests.devstack.fakes"
REAL = "devstack"
PARTS = {
    "devstack",
    "postgres",
    "demo_model",
    "automation_service",
    "chat_service",
    "gateway_http",
    "gateway",
}

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(1200)


@dataclass(kw_only=True)
class Run:
    folder: Path
    module: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    seen: set[tuple[int, str]] = field(default_factory=set)

    def start(self, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=ROOT,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def until_ready(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        found = until(lambda: self.ready() or process.poll() is not None, "ready.json", 240)
        assert isinstance(found, dict), process.communicate()[0]
        self.seen |= {(pid, start_time(pid)) for pid in found["pids"].values()}
        return found

    def ready(self) -> dict[str, Any] | None:
        return state.read_ready(self.folder)

    def see_children(self, parent: int) -> list[int]:
        """The processes of a service, in the order of their numbers if none has died."""
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found = [int(pid) for pid in children]
        self.seen |= {(pid, start_time(pid)) for pid in found}
        return found

    def events(self, service: str, name: str) -> list[dict[str, Any]]:
        """What a service has logged under a name."""
        lines = (self.folder / "logs" / f"{service}.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event["event"] == name]

    def left(self) -> list[int]:
        """Processes of this run that live on."""
        return [pid for pid, began in self.seen if start_time(pid) == began]


def until(condition: Callable[[], Any], what: str, seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


@pytest.fixture
def place() -> Iterator[Path]:
    """Where PostgreSQL's own user can go; pytest's folders are for one user only."""
    with tempfile.TemporaryDirectory(
        prefix="rota-", ignore_cleanup_errors=True, dir=memory_folder()
    ) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def fakes(place: Path) -> Iterator[Run]:
    with prepared(place, FAKES) as run:
        yield run


@pytest.fixture
def real(place: Path) -> Iterator[Run]:
    with prepared(place, REAL) as run:
        yield run


@contextlib.contextmanager
def prepared(place: Path, module: str) -> Iterator[Run]:
    """A state folder and ports of its own; whatever still runs at the end is killed."""
    folder = place / "state"
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL")
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    chosen = {
        "ROTA_STATE_DIR": str(folder),
        "ROTA_GATEWAY_PORT": str(free_port()),
        "ROTA_CHAT_PORT": str(free_ports(2)),
        "ROTA_AUTOMATION_PORT": str(free_ports(2)),
        "TZ": "Europe/Paris",
    }
    run = Run(folder=folder, module=module, environment={**kept, **chosen})
    try:
        yield run
    finally:
        for process in run.processes:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        # PostgreSQL needs a moment to end by itself, cleanly.
        until(lambda: not run.left(), "end of what was started")


def stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> str:
    process.send_signal(number)
    output, _ = process.communicate(timeout=240)
    return output


def test_it_says_how_to_reach_it_and_ctrl_c_ends_every_process(fakes: Run) -> None:
    process = fakes.start()
    ready = fakes.until_ready(process)
    assert set(ready["pids"]) == PARTS
    assert ready["workspace"] == "workspaces/dev"
    assert ready["gateway_url"] == f"http://127.0.0.1:{fakes.environment['ROTA_GATEWAY_PORT']}"
    until(lambda: health.is_serving(ready["chat_address"], SERVED[CHAT]), CHAT)
    until(lambda: health.is_serving(ready["automation_address"], SERVED[AUTOMATION]), AUTOMATION)
    assert patient.get(f"{ready['gateway_url']}/healthz").status_code == 200
    claims = jwt.decode(ready["token"], options={"verify_signature": False})
    assert claims["workspaces"] == {"dev": "owner"}
    assert claims["zoneinfo"] == "Europe/Paris"
    assert stat.S_IMODE((fakes.folder / "ready.json").stat().st_mode) == 0o600

    output = stopped(process)
    assert process.returncode == 0, output
    assert ready["gateway_url"] in output
    assert fakes.left() == []
    assert fakes.ready() is None
    assert "chat_service ended" in (fakes.folder / "logs" / "chat_service.log").read_text()


def test_a_terminal_that_goes_away_ends_every_process_too(fakes: Run) -> None:
    process = fakes.start()
    fakes.until_ready(process)
    assert process.stdout is not None
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    assert process.wait(240) == 0
    assert fakes.left() == []
    assert fakes.ready() is None


def test_a_second_one_in_the_same_folder_says_so_and_harms_nothing(fakes: Run) -> None:
    first = fakes.start()
    ready = fakes.until_ready(first)
    second = fakes.start()
    output, _ = second.communicate(timeout=240)
    assert second.returncode == 1
    assert f"process {first.pid}" in output
    assert ready["gateway_url"] in output
    assert fakes.ready() == ready
    assert first.poll() is None


def test_a_killed_stack_takes_its_processes_along_and_is_no_obstacle(fakes: Run) -> None:
    first = fakes.start()
    ready = fakes.until_ready(first)
    first.kill()
    first.wait()
    until(lambda: not fakes.left(), "end of the orphans")
    assert fakes.ready() == ready  # stale: nobody could remove it
    process = fakes.start()
    found = until(lambda: (r := fakes.ready()) and r != ready and r, "ready.json", 240)
    assert found["pids"]["devstack"] == process.pid
    fakes.seen |= {(pid, start_time(pid)) for pid in found["pids"].values()}
    stopped(process)


def test_a_service_that_dies_is_started_again(fakes: Run) -> None:
    process = fakes.start()
    ready = fakes.until_ready(process)
    old = ready["pids"]["chat_service"]
    os.kill(old, signal.SIGKILL)
    found = until(
        lambda: (r := fakes.ready()) and r["pids"].get("chat_service", old) != old and r,
        "a new chat_service",
    )
    fakes.seen |= {(pid, start_time(pid)) for pid in found["pids"].values()}
    until(lambda: health.is_serving(ready["chat_address"], SERVED[CHAT]), "a serving chat_service")
    output = stopped(process, signal.SIGTERM)
    assert process.returncode == 0
    assert "chat_service ended with -9" in output
    assert fakes.left() == []


def test_a_taken_port_is_named_before_anything_starts(fakes: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = fakes.start(ROTA_CHAT_PORT=port)
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert f"port {port} (ROTA_CHAT_PORT)" in output
    assert not (fakes.folder / "postgres.json").exists()
    assert "Traceback" not in output


def test_a_failed_migration_is_shown_and_everything_ends(fakes: Run) -> None:
    process = fakes.start(FAKE_MIGRATION_FAILS="1")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "no such column" in output
    assert fakes.ready() is None


def test_each_process_is_told_only_what_it_needs(fakes: Run) -> None:
    process = fakes.start(OPENAI_API_KEY="sk-secret")
    ready = fakes.until_ready(process)
    assert "demo_model" not in ready["pids"]
    stopped(process)
    logs = {name: (fakes.folder / "logs" / f"{name}.log").read_text() for name in SERVED}
    assert "'OPENAI_API_KEY'" in logs[CHAT]
    assert "'OPENAI_API_KEY'" not in logs[AUTOMATION]
    for log in logs.values():
        assert "'ROTA_SERVICE_KEY_FILE'" in log
        assert "'DATABASE_URL'" in log
        assert "'ROTA_SECRET_KEYS'" in log


def test_the_real_services_run_in_processes_that_replace_each_other_and_stop(real: Run) -> None:
    metrics = free_ports(4)
    process = real.start(
        ROTA_PROCESSES="2", ROTA_TURN_LEASE_SECONDS="2", ROTA_METRICS_PORT=str(metrics)
    )
    ready = real.until_ready(process)
    assert set(ready["pids"]) == PARTS
    for service in SERVED:
        assert len(real.see_children(ready["pids"][service])) == 2
        maps = Path(f"/proc/{ready['pids'][service]}/maps").read_text()
        assert "cygrpc" not in maps
        assert "uvloop" not in maps
    headers = {"authorization": f"Bearer {ready['token']}"}
    for noun in ("threads", "automations"):
        url = f"{ready['gateway_url']}/v1/{ready['workspace']}/{noun}"
        assert patient.get(url, headers=headers).status_code == 200
        assert patient.get(url).status_code == 401

    kill_process_of_a_turn(real, ready)
    told = [patient.get(f"http://127.0.0.1:{metrics + number}/metrics") for number in range(4)]
    assert [each.status_code for each in told] == [200] * 4
    assert '/0"' in told[0].text.partition("service_instance_id=")[2]

    output = stopped(process)
    assert process.returncode == 0, output
    assert "Ctrl-C stops everything" in output
    assert real.left() == []
    for service in SERVED:
        assert [e["code"] for e in real.events(service, "processes_stopped")] == [0]
        stops = real.events(service, "server_stopped")
        assert sorted(e["process"] for e in stops) == [0, 1]
    assert not (real.folder / "ready.json").exists()
    assert json.loads((real.folder / "postgres.json").read_text())["initialised"]


def kill_process_of_a_turn(real: Run, ready: dict[str, Any]) -> None:
    """Process 1 dies with a turn, which is watched at process 0; another one replaces it."""
    host, _, port = ready["chat_address"].rpartition(":")
    metadata = [("authorization", f"Bearer {ready['token']}")]
    zero, killed = real.see_children(ready["pids"][CHAT])
    with (
        grpc.insecure_channel(ready["chat_address"]) as watched,
        grpc.insecure_channel(f"{host}:{int(port) + 1}") as sent,
    ):
        message = pb.Message(parts=[pb.Part(text="<<delay=0.1;tokens=30>> go on")])
        call: Any = chat_pb2_grpc.ChatServiceStub(sent).SendMessage(
            pb.SendMessageRequest(
                name=f"{ready['workspace']}/threads/-", message=message, request_id=str(uuid4())
            ),
            metadata=metadata,
        )
        turn = next(call).started.turn
        watch: Any = chat_pb2_grpc.ChatServiceStub(watched).WatchTurn(
            pb.WatchTurnRequest(name=turn), metadata=metadata
        )
        seen = [next(watch)]
        while not seen[-1].HasField("text_delta"):
            seen.append(next(watch))
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(grpc.RpcError):
            list(call)
        assert rpc_health(ready["chat_address"]) == 1
        seen = [event for event in [*seen, *watch] if not event.HasField("heartbeat")]
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert any(event.HasField("text_retracted") for event in seen)
    assert seen[-1].HasField("completed")
    until(lambda: rpc_health(ready["chat_address"]) == 0, "a process in its place")
    assert real.see_children(ready["pids"][CHAT])[0] == zero
    [ended] = real.events(CHAT, "process_ended")
    assert (ended["process"], ended["code"]) == (1, -signal.SIGKILL)


def rpc_health(listen: str) -> int:
    """The exit code of the health check of a service of two processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROTA_LISTEN", listen)
        patch.setenv("ROTA_PROCESSES", "2")
        return service_health.main()
