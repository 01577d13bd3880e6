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
from shared.process.stop_signals import STOP_SIGNALS, handle_stop_signals
from shared.telemetry import logs

SERVES: Final = b"1"  # what a process writes when it serves
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
STEADY: Final = 30.0  # after so many seconds the next delay is the first again
# The codes of a process that a stop signal ends before it has a handler.
_STOPPED_EARLY: Final = frozenset(-number for number in STOP_SIGNALS)

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Member:
    process: Popen[bytes]
    ended: asyncio.Event = field(default_factory=asyncio.Event)


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
    _running: dict[int, _Member] = field(default_factory=dict, init=False)
    _serving: set[int] = field(default_factory=set, init=False)
    _codes: list[int] = field(default_factory=list, init=False)

    async def run(self) -> int:
        """Runs until SIGTERM or SIGINT, which go to all processes, or until all must end.

        Returns an exit code: that of the process for which all end, otherwise the first that is
        not 0; 128 and the number for a signal.
        """
        loop = asyncio.get_running_loop()
        handle_stop_signals(self._stop)
        # Only this loop waits for children. asyncio's thread would race with `send_signal`, which
        # looks for the child too, and the loser's code is 255.
        loop.add_signal_handler(signal.SIGCHLD, self._see_ended)
        log.info("processes_started", processes=self.size)
        kept = [asyncio.create_task(self._keep(number)) for number in range(self.size)]
        for task in kept:
            task.add_done_callback(self._stop_on_fault)
        await self._stopped.wait()
        _, late = await asyncio.wait(kept, timeout=self.stop_seconds)
        if late:
            log.error("processes_killed", processes=sorted(self._running))
            self._send(signal.SIGKILL)
        try:
            await asyncio.gather(*kept)
        finally:
            loop.remove_signal_handler(signal.SIGCHLD)
        code = next(filter(None, self._codes), 0)
        log.info("processes_stopped", code=code)
        return code if code >= 0 else 128 - code

    def pids(self) -> list[int]:
        """Returns the processes that run now."""
        return [member.process.pid for member in self._running.values()]

    def _stop(self) -> None:
        self._stopped.set()
        self._first.set()
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for member in self._running.values():
            member.process.send_signal(number)

    def _see_ended(self) -> None:
        for member in self._running.values():
            if member.process.poll() is not None:
                member.ended.set()

    def _stop_on_fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._stop()

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
            if code in _STOPPED_EARLY:
                await self._rest(self.first_delay)  # whoever sent it may stop all
            if self._stopped.is_set():
                self._codes.append(0 if code in _STOPPED_EARLY else code)
                return
            log.error("process_ended", process=number, code=code)
            if not has_served or not self._serving:
                self._codes.append(code)
                self._stop()
                return
            if loop.time() - began > STEADY:
                delay = self.first_delay
            await self._rest(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    async def _run_once(self, number: int) -> int:
        """Returns the exit code, negative for a signal. Raises OSError when it can't start."""
        reader, writer = os.pipe()
        loop = asyncio.get_running_loop()
        try:
            try:
                member = _Member(_start(self.command(number, writer), writer))
            finally:
                os.close(writer)
            self._running[number] = member
            try:
                os.set_blocking(reader, False)
                loop.add_reader(reader, self._read_state, number, reader)
                self._see_ended()  # the signal may have come before it was known
                await member.ended.wait()
                self._read_state(number, reader)  # what it wrote just before its end
            except BaseException:
                member.process.kill()
                member.process.wait()
                raise
            finally:
                del self._running[number]
                loop.remove_reader(reader)
            return member.process.wait()
        finally:
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
