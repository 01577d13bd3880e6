"""The processes of one replica, under a parent that starts, restarts and stops them."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from subprocess import DEVNULL, Popen
from typing import Final

from shared.process.parent_death_signal import wrap_command
from shared.telemetry import logs

SERVES: Final = b"1"  # what a process writes when it serves
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
STEADY: Final = 30.0  # after so many seconds the next delay is the first again

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class ProcessGroup:
    """`size` processes, numbered from 0, of which each gets SIGTERM when this process ends.

    Number 0 serves before the others start, so that what is wrong is said once. A process that
    ends, or that the system does not start, is restarted after a delay that doubles up to 30
    seconds. But all end if it never served, or if no other one serves.
    """

    size: int
    # number, descriptor to write SERVES to → command line, which begins with an absolute path
    command: Callable[[int, int], Sequence[str]]
    stop_seconds: float  # from SIGTERM to SIGKILL
    first_delay: float = FIRST_DELAY
    _stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _first: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _running: dict[int, Popen[bytes]] = field(default_factory=dict, init=False)
    _serving: set[int] = field(default_factory=set, init=False)
    _codes: list[int] = field(default_factory=list, init=False)

    async def run(self) -> int:
        """Runs until SIGTERM or SIGINT, which go to all processes, or until all must end.

        Returns an exit code: that of the process for which all end, otherwise the first that is
        not 0; 128 and the number for a signal.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        log.info("processes_started", processes=self.size)
        kept = [asyncio.create_task(self._keep(number)) for number in range(self.size)]
        await self._stopped.wait()
        _, late = await asyncio.wait(kept, timeout=self.stop_seconds)
        if late:
            log.error("processes_killed", processes=sorted(self._running))
            self._send(signal.SIGKILL)
        await asyncio.gather(*kept)
        code = next(filter(None, self._codes), 0)
        log.info("processes_stopped", code=code)
        return code if code >= 0 else 128 - code

    def _stop(self) -> None:
        self._stopped.set()
        self._first.set()
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for process in self._running.values():
            process.send_signal(number)

    async def _keep(self, number: int) -> None:
        """Starts a process again and again until all stop."""
        if number:
            await self._first.wait()
        loop, delay = asyncio.get_running_loop(), self.first_delay
        has_served = False
        while not self._stopped.is_set():
            began = loop.time()
            try:
                code = await self._run_once(number)
            except OSError as error:  # no memory, no process or no descriptor is free
                log.error("process_not_started", process=number, error=str(error))
                code = 1
            has_served |= number in self._serving
            self._serving.discard(number)
            if self._stopped.is_set():
                # SIGTERM itself ends one that does not listen for it yet
                self._codes.append(0 if code == -signal.SIGTERM else code)
                return
            log.error("process_ended", process=number, code=code)
            if not has_served or not self._serving:
                self._codes.append(code)
                self._stop()
                return
            if loop.time() - began > STEADY:
                delay = self.first_delay
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _run_once(self, number: int) -> int:
        """Returns the exit code, negative for a signal."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            process = _start(self.command(number, writer), writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._running[number] = process
        loop = asyncio.get_running_loop()
        loop.add_reader(reader, self._read_state, number, reader)
        try:
            code = await _wait_for_end(process)
            self._read_state(number, reader)  # what it wrote just before its end
            return code
        finally:
            del self._running[number]
            loop.remove_reader(reader)
            os.close(reader)

    def _read_state(self, number: int, reader: int) -> None:
        with suppress(BlockingIOError):
            if os.read(reader, 1) == SERVES:
                self._serving.add(number)
                self._first.set()
                log.info("process_serves", process=number)
            else:
                asyncio.get_running_loop().remove_reader(reader)


def _start(command: Sequence[str], writer: int) -> Popen[bytes]:
    return Popen(
        wrap_command(command),
        stdin=DEVNULL,
        pass_fds=(writer,),
        # A terminal's Ctrl-C is for the parent.
        start_new_session=True,
    )


async def _wait_for_end(process: Popen[bytes]) -> int:
    """Returns the exit code, negative for a signal.

    A thread must not wait for it, as asyncio's does: a process that ends by itself while
    `send_signal` looks for it would have the code 255.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.wait()
        raise
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()
