"""A group of processes: who restarts, who ends everything, and with which exit code."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import pytest

from shared.process.group import ProcessGroup

# A process that serves until SIGTERM; what it does instead is in the file with its number.
CHILD = """
import os, signal, sys, time
folder, number, ready = sys.argv[1], sys.argv[2], int(sys.argv[3])
def told(name):
    path = os.path.join(folder, name + number)
    return open(path).read() if os.path.exists(path) else ""
if not told("plain"):
    # It waits until it looks: a handler may run just before a sleep, which then lasts.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
with open(os.path.join(folder, "started"), "a") as log:
    log.write(f"{number} {os.getpid()}\\n")
if told("code"):
    sys.exit(int(told("code")))
os.write(ready, b"1")
os.close(ready)
with open(os.path.join(folder, "served"), "a") as log:
    log.write(f"{number} {os.getpid()}\\n")
if not told("deaf") and not told("plain"):
    signal.sigwait([signal.SIGTERM])
    sys.exit(0)
time.sleep(300)
"""
# The parent: a group of these processes.
PARENT = """
import asyncio, sys
from pathlib import Path
from shared.process.stop_signals import ignore_stop_signals
from tests.shared.process.test_group import group
async def run():
    code = await group(Path(sys.argv[1]), int(sys.argv[2])).run()
    ignore_stop_signals()
    return code
sys.exit(asyncio.run(run()))
"""
pytestmark = pytest.mark.timeout(300)


def group(
    folder: Path, size: int, stop_seconds: float = 120, first_delay: float = 0.01
) -> ProcessGroup:
    def command(number: int, ready: int) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", CHILD, str(folder), str(number), str(ready)]

    return ProcessGroup(
        size=size, command=command, stop_seconds=stop_seconds, first_delay=first_delay
    )


def tell(folder: Path, name: str, number: int, text: str = "yes") -> None:
    (folder / f"{name}{number}").write_text(text)


@dataclass(frozen=True, slots=True)
class Processes:
    folder: Path

    def read(self, name: str) -> list[tuple[int, int]]:
        """Numbers and pids, in the order in which they `started` or `served`."""
        path = self.folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(number), int(pid)) for number, pid in map(str.split, lines)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(120):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_serving(self, count: int) -> list[tuple[int, int]]:
        await self.until(lambda: len(self.read("served")) >= count)
        return self.read("served")

    def start_parent(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", PARENT, str(self.folder), "2"])

    def left(self) -> list[int]:
        return [pid for _, pid in self.read("started") if runs(pid)]


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for pid in made.left():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_ends_all(processes: Processes, number: signal.Signals) -> None:
    running = asyncio.create_task(group(processes.folder, 3).run())
    served = await processes.until_serving(3)
    assert served[0][0] == 0
    os.kill(os.getpid(), number)
    assert await running == 0
    assert processes.left() == []


async def test_signals_that_a_supervisor_sends_to_all_at_once_end_all(processes: Processes) -> None:
    for number in range(8):
        tell(processes.folder, "plain", number)  # ends before the signal is sent again
    for count in range(8, 56, 8):
        running = asyncio.create_task(group(processes.folder, 8).run())
        served = await processes.until_serving(count)
        os.kill(os.getpid(), signal.SIGTERM)
        for _, pid in served[-8:]:
            os.kill(pid, signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert await running == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_that_comes_again_until_the_end_changes_no_code(
    processes: Processes, number: signal.Signals
) -> None:
    parent = processes.start_parent()
    try:
        await processes.until_serving(2)
        while parent.poll() is None:
            parent.send_signal(number)
            await asyncio.sleep(0.0005)
    finally:
        parent.kill()
        parent.wait()
    assert parent.returncode == 0
    assert processes.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_that_reaches_a_process_in_its_start_before_the_parent_is_a_stop(
    processes: Processes, number: signal.Signals
) -> None:
    tell(processes.folder, "plain", 0)
    made = group(processes.folder, 1, first_delay=120)
    running = asyncio.create_task(made.run())
    await processes.until(lambda: made.pids())
    for pid in made.pids():
        os.kill(pid, number)
    await processes.until(lambda: not made.pids())
    os.kill(os.getpid(), number)
    assert await running == 0


async def test_a_fault_of_the_group_ends_all(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = group(processes.folder, 2)
    running = asyncio.create_task(made.run())
    served = dict(await processes.until_serving(2))
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_reader", Mock(side_effect=RuntimeError("no more")))
    os.kill(served[1], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="no more"):
        await running
    assert processes.left() == []


async def test_a_process_that_the_system_does_not_start_is_started_later(
    processes: Processes,
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(processes.folder), "2", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        served = await processes.until_serving(2)
        soft, hard = resource.prlimit(parent.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(dict(served)[1], signal.SIGKILL)
        while line := await parent.stdout.readline():
            if b"process_not_started" in line:
                break
        assert b"Too many open files" in line
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert [number for number, _ in await processes.until_serving(3)].count(1) == 2
        parent.send_signal(signal.SIGTERM)
        assert await parent.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()
        await parent.wait()


async def test_a_process_that_ends_is_restarted_beside_others_that_serve(
    processes: Processes,
) -> None:
    running = asyncio.create_task(group(processes.folder, 2).run())
    served = await processes.until_serving(2)
    for number in (0, 1):
        os.kill(dict(served)[number], signal.SIGKILL)
        served = await processes.until_serving(len(served) + 1)
        assert [n for n, _ in served].count(number) == 2
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert processes.left() == []


async def test_a_restart_that_fails_is_repeated(processes: Processes) -> None:
    running = asyncio.create_task(group(processes.folder, 2).run())
    served = await processes.until_serving(2)
    tell(processes.folder, "code", 1, "1")
    os.kill(dict(served)[1], signal.SIGKILL)
    await processes.until(lambda: len(processes.read("started")) >= 5)
    (processes.folder / "code1").unlink()
    assert [n for n, _ in await processes.until_serving(3)] == [0, 1, 1]
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


@pytest.mark.parametrize(("wrong", "started"), [(0, [0]), (1, [0, 1])])
async def test_one_that_never_served_ends_all_with_its_code(
    processes: Processes, wrong: int, started: list[int]
) -> None:
    tell(processes.folder, "code", wrong, "2")
    assert await group(processes.folder, 2).run() == 2
    assert [number for number, _ in processes.read("started")] == started
    assert processes.left() == []


async def test_the_last_one_that_serves_ends_all_with_its_code(processes: Processes) -> None:
    running = asyncio.create_task(group(processes.folder, 2).run())
    served = dict(await processes.until_serving(2))
    tell(processes.folder, "code", 0, "1")
    os.kill(served[0], signal.SIGKILL)
    await processes.until(lambda: len(processes.read("started")) >= 3)
    os.kill(served[1], signal.SIGKILL)
    assert await running == 128 + signal.SIGKILL
    assert processes.left() == []


async def test_one_that_does_not_stop_is_killed(processes: Processes) -> None:
    tell(processes.folder, "deaf", 1)
    running = asyncio.create_task(group(processes.folder, 2, stop_seconds=0.3).run())
    await processes.until_serving(2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 128 + signal.SIGKILL
    assert processes.left() == []


async def test_all_end_when_their_parent_is_killed(processes: Processes) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(processes.folder), "2"
    )
    try:
        await processes.until_serving(2)
    finally:
        parent.kill()
        await parent.wait()
    await processes.until(lambda: not processes.left())
