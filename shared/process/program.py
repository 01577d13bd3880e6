"""The command line of a service: `python -m NAME [serve | migrate]`.

What a service needs to serve is imported when it serves: help and a wrong setting wait for none
of it.
"""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from shared.process.group import SERVES, ProcessGroup
from shared.process.stop_signals import ignore_stop_signals, stop_signal
from shared.security.secretbox import InvalidKeys
from shared.settings import SECRET_KEYS, ServiceSettings, describe, explain
from shared.telemetry import logs

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Generic[S]):
    """A service as a program. `serve` and `migrate` import what they need when they are called."""

    name: str
    description: str
    settings: type[S]
    serve: Callable[[S], AbstractAsyncContextManager[Any]]
    migrate: Callable[[S], Coroutine[Any, Any, None]]

    def main(self) -> int:
        """Returns the exit code: 0, 1 for what failed, 2 for a setting that is wrong.

        What failed is told in a line on stderr. Raises what nobody expects.
        """
        given = self._parser().parse_args()
        gc.disable()  # what a start makes stays: see tune_gc
        try:
            settings = self.settings()
        except ValidationError as error:
            print(explain(self.settings, error), file=sys.stderr)
            return 2
        logs.configure(self.name, level=settings.log_level, process=given.process)
        if given.command == "serve" and settings.processes > 1 and given.process is None:
            return self._serve_together(settings)
        try:
            if given.command == "migrate":
                self._run(self.migrate, settings)
            else:
                self._run(partial(self._serve, process=given.process, ready=given.ready), settings)
        except InvalidKeys as error:
            return self._fail(f"{SECRET_KEYS}: {error}", 2)
        except (RuntimeError, OSError) as error:
            return self._fail(str(error), 1)
        except Exception as error:
            from shared.db import database

            if (refusal := database.translate(error)) is None:
                raise
            return self._fail(refusal.message, 1)
        return 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.name}",
            description=self.description,
            epilog=describe(self.settings),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "command",
            nargs="?",
            choices=["serve", "migrate"],
            default="serve",
            help="serve (the default), or bring the database's schemas up to date",
        )
        # a process that a ProcessGroup starts: its number, and where it says that it serves
        parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--ready", type=int, help=argparse.SUPPRESS)
        return parser

    def _serve_together(self, settings: S) -> int:
        gc.enable()
        # a stop waits for calls, then for turns and runs, and then for what closes
        group = ProcessGroup(
            size=settings.processes,
            command=self._command,
            stop_seconds=settings.drain_seconds + 2 * settings.grace_seconds + 30,
        )

        async def run() -> int:
            try:
                return await group.run()
            finally:
                ignore_stop_signals()

        return asyncio.run(run())

    def _command(self, process: int, ready: int) -> list[str]:
        told = ["--process", str(process), "--ready", str(ready)]
        return [sys.executable, "-m", self.name, "serve", *told]

    def _run(self, act: Callable[[S], Coroutine[Any, Any, None]], settings: S) -> None:
        factory = None
        if settings.uvloop:
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(act(settings))

    async def _serve(self, settings: S, process: int | None, ready: int | None) -> None:
        from shared.rpc.server.rpc_server import tune_gc
        from shared.telemetry import export

        stopped = stop_signal()
        settings = settings.of_process(process or 0)
        try:
            with export.export_telemetry(
                self.name,
                os.environ,
                port=settings.metrics_port,
                listen=settings.listen,
                process=process,
            ):
                async with self.serve(settings):
                    tune_gc()
                    if ready is not None:
                        os.write(ready, SERVES)
                        os.close(ready)
                    await stopped.wait()
        finally:
            ignore_stop_signals()

    def _fail(self, message: str, code: int) -> int:
        print(f"{self.name}: {message}", file=sys.stderr)
        return code
