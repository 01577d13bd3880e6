"""One process: it ends when told, when its parent ends, and when an earlier stack left it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from devstack import process
from devstack.process import Process

PATIENT = "import time; print('up', flush=True); time.sleep(300)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(300)"
)


def started(tmp_path: Path, code: str, grace: float = 60) -> Process:
    made = Process(
        name="x",
        command=[sys.executable, "-c", code],
        environment=dict(os.environ),
        log=tmp_path / "log",
        grace=grace,
    )
    made.start()
    return made


def until_it_says(log: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_ends_when_told(tmp_path: Path) -> None:
    made = started(tmp_path, PATIENT)
    until_it_says(made.log, "up")
    made.terminate()
    made.wait()
    assert made.exit_code == -signal.SIGTERM


def test_its_last_lines_are_those_since_its_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of an earlier one\n")
    made = started(tmp_path, "print('one'); print('two'); print('three')")
    assert made.process is not None
    made.process.wait()
    assert made.last_lines() == "one\ntwo\nthree"
    assert made.last_lines(2) == "two\nthree"


def test_one_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    made = started(tmp_path, STUBBORN, grace=0.2)
    until_it_says(made.log, "up")
    made.terminate()
    made.wait()
    assert made.exit_code == -signal.SIGKILL


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = f"""
import os, sys, time
from pathlib import Path
from devstack.process import Process
command = [sys.executable, "-c", {PATIENT!r}]
log = Path({str(tmp_path / "log")!r})
made = Process(name="x", command=command, environment=os.environ, log=log)
made.start()
print(made.pid, flush=True)
time.sleep(300)
"""
    run = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    until_it_says(tmp_path / "log", "up")
    assert process.start_time(pid)
    run.kill()
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 60
    while process.start_time(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_leftover_is_ended_and_a_stranger_with_its_pid_is_not(tmp_path: Path) -> None:
    made = started(tmp_path, PATIENT)
    until_it_says(made.log, "up")
    assert not process.end_leftover(made.pid, "12345")
    assert made.alive
    assert process.end_leftover(made.pid, process.start_time(made.pid), grace=60)
    assert made.exit_code == -signal.SIGTERM


def test_a_process_that_has_gone_has_no_start_time() -> None:
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    assert process.start_time(run.pid) == ""


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("much")
    process.rotate_log(log, limit=3)
    assert not log.exists()
    assert (tmp_path / "x.log.1").read_text() == "much"
