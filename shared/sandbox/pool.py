"""The processes of a sandbox, and which job each does next."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Final

from shared import errors
from shared.sandbox import frames
from shared.sandbox.failure import JobFailed
from shared.telemetry import logs, metrics

START_SECONDS: Final = 30.0
# A process that takes no CPU is waited for so many times as long.
_PATIENCE: Final = 10
# Between two looks at the CPU that a process took.
_LEAST_SECONDS: Final = 0.05
_UNAVAILABLE: Final = "templates, schemas and pages can't be evaluated now; try again"
_TICKS: Final = os.sysconf("SC_CLK_TCK")

log = logs.logger(__name__)


class _ProcessEnded(Exception):
    """The process has gone."""


@dataclass(slots=True)
class _Process:
    """One process. It does a job at a time."""

    popen: subprocess.Popen[bytes]
    socket: socket.socket
    measures: list[str] = field(default_factory=list)

    @classmethod
    async def start(cls, module: str) -> "_Process":
        """Starts a process. Raises OSError, and _ProcessEnded for one that does not begin."""
        ours, theirs = socket.socketpair()
        with theirs:
            # exec without a fork in Python: gRPC's threads do not survive a fork
            popen = subprocess.Popen(  # noqa: ASYNC220 - a millisecond, and it ends with this thread
                [sys.executable, "-m", __package__, str(os.getpid()), module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
                start_new_session=True,
            )
        ours.setblocking(False)
        made = cls(popen, ours)
        try:
            async with asyncio.timeout(START_SECONDS):
                made.measures = (await made._receive())["confined"]
        except BaseException as error:
            await made.end()
            if isinstance(error, TimeoutError):
                raise _ProcessEnded from error
            raise
        return made

    async def do(self, frame: bytes, seconds: float) -> dict[str, Any]:
        """Does a job. Raises JobFailed for one that takes `seconds` of CPU, and _ProcessEnded.

        However this ends without an answer, the process can't be used again.
        """
        loop = asyncio.get_running_loop()
        exchange = asyncio.ensure_future(self._exchange(loop, frame))
        cpu, began = self._cpu_seconds(), time.monotonic()
        left = seconds
        try:
            while True:
                done, _ = await asyncio.wait({exchange}, timeout=max(left, _LEAST_SECONDS))
                if done:
                    return exchange.result()
                left = cpu + seconds - self._cpu_seconds()
                if left <= 0 or time.monotonic() - began >= _PATIENCE * seconds:
                    raise JobFailed("time")
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait({exchange})

    async def end(self) -> None:
        """Kills the process, which has nothing to lose."""
        self.popen.kill()
        self.socket.close()
        await asyncio.to_thread(self.popen.wait)

    async def _exchange(self, loop: asyncio.AbstractEventLoop, frame: bytes) -> dict[str, Any]:
        try:
            await loop.sock_sendall(self.socket, frame)
            return await self._receive()
        except OSError as error:
            raise _ProcessEnded from error

    async def _receive(self) -> dict[str, Any]:
        size = frames.HEAD.unpack(await self._read(frames.HEAD.size))[0]
        if size > frames.MAX_ANSWER:
            raise _ProcessEnded
        try:
            answer = frames.decode(await self._read(size))
        except ValueError as error:
            raise _ProcessEnded from error
        if not isinstance(answer, dict):
            raise _ProcessEnded
        return answer

    async def _read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        body = bytearray(size)
        left = memoryview(body)
        while left:
            count = await loop.sock_recv_into(self.socket, left)
            if count == 0:
                raise _ProcessEnded
            left = left[count:]
        return bytes(body)

    def _cpu_seconds(self) -> float:
        try:
            with open(f"/proc/{self.popen.pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """Does jobs in processes that start when they are needed first.

    `module` is the name of a module whose `JOBS` has a function from JSON to JSON for each kind
    of job. A workspace has at most `size` - 1 jobs in hand, and at least one, so one workspace
    never takes all processes; the others wait in order, a workspace after the other. A job that
    takes `job_seconds` of CPU ends with its process.
    """

    module: str
    size: int = 2
    job_seconds: float = 1.0
    _idle: list[_Process] = field(default_factory=list, init=False)
    _working: list[_Process] = field(default_factory=list, init=False)
    _busy: int = field(default=0, init=False)
    _held: Counter[str] = field(default_factory=Counter, init=False)
    _waiting: "OrderedDict[str, deque[asyncio.Future[None]]]" = field(
        default_factory=OrderedDict, init=False
    )
    _closed: bool = field(default=False, init=False)

    async def run(
        self, kind: str, job: Any, *, workspace: str, seconds: float | None = None
    ) -> Any:
        """Does a job, within `seconds` of CPU where they are given instead of `job_seconds`.

        Raises JobFailed, and ServiceUnavailable when no process can be started.
        """
        frame = frames.encode({"kind": kind, "job": job})
        if len(frame) > frames.MAX_JOB:
            raise JobFailed("size")
        await self._take_turn(workspace)
        try:
            answer = await self._do(frame, seconds or self.job_seconds)
        except JobFailed as failed:
            metrics.count("rota.sandbox.jobs", kind=kind, outcome=failed.cause)
            raise
        finally:
            self._end(workspace)
        cause = answer.get("failure")
        metrics.count("rota.sandbox.jobs", kind=kind, outcome=cause or "done")
        if cause is not None:
            if cause == "error":
                log.error("sandbox_job_failed", kind=kind, type=answer.get("type"))
            raise JobFailed(cause)
        return answer["result"]

    async def close(self) -> None:
        """Ends every process. A job in hand is given up with ServiceUnavailable."""
        self._closed = True
        for process in self._working:
            process.popen.kill()
        while self._idle:
            await self._idle.pop().end()

    async def _take_turn(self, workspace: str) -> None:
        if self._busy < self.size and self._may_begin(workspace):
            self._begin(workspace)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(workspace, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(workspace)
            raise

    def _may_begin(self, workspace: str) -> bool:
        return self._held[workspace] < max(1, self.size - 1)

    def _begin(self, workspace: str) -> None:
        self._busy += 1
        self._held[workspace] += 1

    def _end(self, workspace: str) -> None:
        self._busy -= 1
        self._held[workspace] -= 1
        if not self._held[workspace]:
            del self._held[workspace]
        self._wake()

    def _wake(self) -> None:
        """Gives free processes to those who wait, a workspace after the other."""
        while self._busy < self.size and (workspace := self._find_next()) is not None:
            self._begin(workspace)
            self._waiting[workspace].popleft().set_result(None)
            self._waiting.move_to_end(workspace)

    def _find_next(self) -> str | None:
        for workspace, turns in list(self._waiting.items()):
            while turns and turns[0].done():  # its caller has gone
                turns.popleft()
            if not turns:
                del self._waiting[workspace]
            elif self._may_begin(workspace):
                return workspace
        return None

    async def _do(self, frame: bytes, seconds: float) -> dict[str, Any]:
        # A process may have ended for a cause outside of the job: the job is tried once more.
        for _ in range(2):
            with contextlib.suppress(_ProcessEnded):
                return await self._do_once(frame, seconds)
        raise JobFailed("crash")

    async def _do_once(self, frame: bytes, seconds: float) -> dict[str, Any]:
        if self._closed:
            raise errors.ServiceUnavailable(_UNAVAILABLE)
        process = await self._find_idle() or await self._start()
        self._working.append(process)
        whole = False
        try:
            answer = await process.do(frame, seconds)
            whole = answer.get("failure") != "memory"
            return answer
        finally:
            self._working.remove(process)
            if whole and not self._closed:
                self._idle.append(process)
            else:
                await process.end()

    async def _find_idle(self) -> _Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.popen.poll() is None:
                return process
            await process.end()
        return None

    async def _start(self) -> _Process:
        try:
            process = await _Process.start(self.module)
        except (OSError, _ProcessEnded) as error:
            log.error("sandbox_not_started", exc_info=error)
            raise errors.ServiceUnavailable(_UNAVAILABLE) from error
        log.info("sandbox_started", process=process.popen.pid, measures=process.measures)
        return process
