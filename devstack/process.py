"""One process of the stack, with its log file."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.process.parent_death_signal import wrap_command

_LOG_LIMIT: Final = 8 << 20


@dataclass(slots=True, kw_only=True)
class Process:
    """`grace` is how many seconds SIGTERM gets before SIGKILL follows."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    grace: float = 10
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    _log_start: int = field(default=0, init=False)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def start(self) -> None:
        rotate_log(self.log)
        with open(self.log, "ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                wrap_command(self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The terminal's Ctrl-C is for us; we stop our children in order.
                start_new_session=True,
            )
        self.started = time.monotonic()

    def terminate(self) -> None:
        if self.process is not None and self.alive:
            self.process.terminate()

    def wait(self) -> None:
        """Waits until the process ends, after `terminate`; kills it when its grace is over."""
        if self.process is None:
            return
        try:
            self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def last_lines(self, count: int = 15) -> str:
        """Returns the last lines that it wrote since its last start."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-count:])


def rotate_log(log: Path, limit: int = _LOG_LIMIT) -> None:
    """Puts a log of more than `limit` bytes aside."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_suffix(".log.1"))


def start_time(pid: int) -> str:
    """Returns when the process began, in ticks since boot; empty when there is none.

    The pid and this time together identify one process: the system reuses pids.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def end_leftover(pid: int, began: str, grace: float = 8) -> bool:
    """Ends a process that a killed stack left running; False when it is gone already."""
    if not began or start_time(pid) != began:
        return False
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if start_time(pid) != began:
                return True
            time.sleep(0.05)
    return True
