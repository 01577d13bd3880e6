"""Processes of a benchmark: start, readiness, resource usage, end."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")  # a second, in /proc


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """The CPU time and memory of a process and its children."""

    cpu_seconds: float  # also of children that have ended, to the hundredth
    memory: int  # bytes, resident


@contextlib.asynccontextmanager
async def run_process(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> AsyncIterator[int]:
    """Runs a process inside the block and yields its pid; its output goes to a file."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **(environ or {})},
        )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


async def wait_for_port(port: int, pid: int, *, seconds: float = 60) -> None:
    """Waits until a port accepts connections. Raises RuntimeError if the process ends first."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            if not Path(f"/proc/{pid}").exists() or _stat(pid)[0] == "Z":
                raise RuntimeError("it ended before it served")
            await asyncio.sleep(0.05)


def measure_usage(pid: int) -> ResourceUsage:
    family = _family(pid)
    return ResourceUsage(
        # In this order, one that ends in between is counted twice, not lost.
        cpu_seconds=sum([_cpu_seconds(one) for one in family])
        + sum([_ended_seconds(one) for one in family]),
        memory=sum(int(_stat(one)[21]) for one in family) * _PAGE,
    )


@dataclass(slots=True)
class Worker:
    """A process that prints `ready`, and prints one line of results after `go`."""

    process: asyncio.subprocess.Process

    async def go(self, during: Awaitable[Any] | None = None) -> str:
        """Starts the work and returns the result; `during`, if given, runs before the stop."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"go\n")
        if during is not None:
            await during
            self.process.stdin.write(b"enough\n")
        line = await self.process.stdout.readline()
        if await self.process.wait():
            raise RuntimeError("a load ended early")
        return line.decode()


async def start_worker(module: str, order: str) -> Worker:
    """Starts `python -m MODULE ORDER` and waits until it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        order,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        # Unbuffered, a line longer than the pipe would be cut off.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert process.stdout is not None
    if (await process.stdout.readline()).strip() != b"ready":
        await process.wait()
        raise RuntimeError(f"{module} did not get ready")
    return Worker(process)


def _cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, by the kernel's clock of it; `/proc` counts in hundredths."""
    clock = (~pid << 3) | 2  # as clock_getcpuclockid(3) makes it
    with contextlib.suppress(OSError):
        return time.clock_gettime(clock)
    return 0.0


def _ended_seconds(pid: int) -> float:
    """CPU seconds of a process's children that have ended, and of theirs."""
    return sum(map(int, _stat(pid)[13:15])) / _TICKS


def _stat(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return ["Z", *["0"] * 30]


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(FileNotFoundError):
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
            found += map(int, children.split())
    return found
