"""The README's commands, run in order by a shell, and what it says they print."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from devstack import state
from tests.support.calls import patient
from tests.support.database.postgres import memory_folder
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```sh\n(?P<commands>.*?)```(?:\n\n```text\n(?P<shown>.*?)```)?", re.S)
START = datetime(2026, 11, 22, 18, 0, 30, tzinfo=UTC)

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True, slots=True)
class Block:
    commands: str
    shown: list[str]


def blocks() -> list[Block]:
    text = (ROOT / "README.md").read_text()
    return [
        Block(found["commands"], (found["shown"] or "").splitlines())
        for found in BLOCK.finditer(text)
    ]


@dataclass(frozen=True)
class Stack:
    environment: dict[str, str]
    ports: dict[str, str]
    clock: FileClock

    @cached_property
    def exports(self) -> str:
        """What the reader's shell evaluates first; the same in each."""
        return self._shell(".venv/bin/python -m devstack env")

    def run(self, commands: str) -> str:
        """What the commands print, in a shell like the reader's."""
        for shown, here in self.ports.items():
            commands = commands.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{here}")
        return self._shell(f"{self.exports}\nset -euo pipefail\n{commands}")

    def _shell(self, script: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        commands = script.rpartition("pipefail\n")[2]
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def begun(place: Path) -> tuple[subprocess.Popen[bytes], Stack]:
    clock = FileClock(place / "now")
    clock.set(START)
    ports = {"8080": str(free_port()), "7001": str(free_port()), "7002": str(free_port())}
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL")
    environment = {key: value for key, value in os.environ.items() if key not in hidden} | {
        "ROTA_STATE_DIR": str(place / "state"),
        "ROTA_GATEWAY_PORT": ports["8080"],
        "ROTA_CHAT_PORT": ports["7001"],
        "ROTA_AUTOMATION_PORT": ports["7002"],
        "ROTA_TEST_CLOCK": str(clock.path),
        "TZ": "Europe/Paris",
        "COLUMNS": "80",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.docs.clocked"],
        cwd=ROOT,
        env=environment,
        stdout=(place / "out").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return process, Stack(environment, ports, clock)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(
        prefix="rota-", ignore_cleanup_errors=True, dir=memory_folder()
    ) as folder:
        place = Path(folder)
        place.chmod(0o755)
        process, running = begun(place)
        try:
            deadline = time.monotonic() + 240
            while not (place / "state" / "ready.json").exists():
                assert process.poll() is None, (place / "out").read_text()
                assert time.monotonic() < deadline, (place / "out").read_text()
                time.sleep(0.1)
            yield running
        finally:
            process.terminate()
            process.wait(240)


def results(stack: Stack) -> list[Any]:
    """What has reached the reader. A run has ended before its result arrives in a thread."""
    ready = state.read_ready(Path(stack.environment["ROTA_STATE_DIR"]))
    assert ready is not None
    url = f"{ready['gateway_url']}/v1/{ready['workspace']}/inboxItems"
    answer = patient.get(url, headers={"authorization": f"Bearer {ready['token']}"})
    return list(answer.json().get("inbox_items", []))


def matches(shown: list[str], printed: str) -> str | None:
    """The first line shown that was not printed after the ones before it; None when all were.

    `…` stands for anything.
    """
    at = 0
    for line in shown:
        pattern = ".*?".join(re.escape(piece) for piece in line.strip().split("…"))
        found = re.compile(pattern, re.S if line.strip().startswith("…") else 0).search(printed, at)
        if found is None:
            return line
        at = found.end()
    return None


def test_the_readers_commands_do_what_the_readme_says(stack: Stack) -> None:
    for block in blocks():
        if block.commands.startswith("make "):
            continue
        if ".venv/bin/rota runs" in block.commands:
            stack.clock.set(START + timedelta(minutes=1))
            deadline = time.monotonic() + 240
            while not results(stack):
                assert time.monotonic() < deadline, "no result of the slot's run has come"
                time.sleep(0.1)
        printed = stack.run(block.commands)
        assert matches(block.shown, printed) is None, printed


def test_every_make_target_that_is_named_exists() -> None:
    named = re.findall(r"^make (\w+)$", "".join(b.commands for b in blocks()), re.M)
    assert {"run", "test", "check"} <= set(named)
    for target in named:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_matcher_notices_what_was_not_printed() -> None:
    assert matches(["a…c", "d"], "abc\nd\n") is None
    assert matches(["a…c", "e"], "abc\nd\n") == "e"
