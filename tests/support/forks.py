"""Services as processes that start at once: copies of a process that has imported them."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

_PRELOADED = ("pytest", "automation_service.bootstrap", "chat_service.bootstrap")
_END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fork:
    """A service in a process of its own."""

    process: ForkServerProcess

    def poll(self) -> int | None:
        """The exit code; negative for a signal. None while the process runs."""
        return self.process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.process.pid is not None and self.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Ends the process with SIGKILL and waits for its end."""
        self.process.kill()
        self.process.join(_END_SECONDS)


def start(name: str, clock: Path, environment: Mapping[str, str], log: Path) -> Fork:
    """Starts `chat_service` or `automation_service` with `environment` added to this process's.

    The service takes its time from the file `clock` and appends its output to `log`.
    """
    told = {**os.environ, **environment}
    process = _context().Process(target=_run, args=(name, clock, told, log), daemon=True)
    process.start()
    return Fork(process)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _run(name: str, clock: Path, environment: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    # Imported here because that module imports this one.
    from tests.support.processes import FileClock, serve

    asyncio.run(serve(name, FileClock(clock)))
