"""Programs as processes that start at once: copies of a process that has imported them."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

_PRELOADED = (
    "tests.support.processes.no_gc",
    "pytest",
    "automation_service.bootstrap",
    "chat_service.bootstrap",
    "gateway.envoy_config",
    "gateway.http.app",
    "uvicorn.protocols.http.httptools_impl",
    "tests.support.processes.warm",
)
_END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fork:
    """A program in a process of its own."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """The exit code; negative for a signal. None while the process runs."""
        return self.process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Signals the process; does nothing when it has ended."""
        # Its parent is the server of forks, which may reap it at any moment.
        with contextlib.suppress(ProcessLookupError):
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


def start_program(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path
) -> Fork:
    """Starts `python -m NAME ARGUMENTS` with this environment and no other variable."""
    process = _context().Process(
        target=_run_program,
        args=(name, list(arguments), dict(environment), output, errors),
        daemon=True,
    )
    process.start()
    return Fork(process)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _run(name: str, clock: Path, environment: dict[str, str], log: Path) -> None:
    _settle(environment, log, log)
    # Imported here because that module imports this one.
    import uvloop

    from shared.rpc.server.rpc_server import GC_THRESHOLDS
    from tests.support.processes.service_processes import FileClock, serve

    # with the loop and the garbage collection that a service has by default
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(name, FileClock(clock)))


def _run_program(
    name: str, arguments: list[str], environment: dict[str, str], output: Path, errors: Path
) -> None:
    _settle(environment, output, errors)
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _settle(environment: dict[str, str], output: Path, errors: Path) -> None:
    gc.freeze()
    gc.enable()
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((output, 1), (errors, 2)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), descriptor)
