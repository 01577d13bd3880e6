"""`rota chat` on a real terminal, in a process of its own."""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.command import Rota
from tests.clients.frames import approval, completed, requested, suspended, text
from tests.clients.peer import Peer

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
DEADLINE_SECONDS = 30.0


class Terminal:
    """80 columns of terminal with `rota` in it."""

    def __init__(self, env: dict[str, str], *args: str) -> None:
        command = [str(Path(sys.executable).with_name("rota")), *args]
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**os.environ, **env, "TERM": "xterm"})
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.said = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def expect(self, what: str) -> None:
        """Reads until `what` has been said since the last time."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while what not in self.said:
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{what!r} was not said: {self.said}"
            self._read()
        self.said = self.said.partition(what)[2]

    def leave(self) -> int:
        """The exit code, when it has ended."""
        try:
            while True:
                self._read()
        except EOFError:
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            raise EOFError(self.said)
        self.said += ESCAPES.sub(b"", chunk).decode(errors="replace")

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)


Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(rota_command: Rota) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal(rota_command.env, *args))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.kill()


def test_a_person_talks_approves_and_leaves(open_terminal: Open, peer: Peer) -> None:
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    peer.chat.segments.extend(
        [[requested(wanted), suspended(wanted)], [text("Saved."), completed()]]
    )
    terminal = open_terminal("chat")
    terminal.expect("/quit leaves")
    terminal.expect("> ")
    terminal.type("every weekday at nine\n")
    terminal.expect("Approval wanted")
    terminal.expect("[l]ater: ")
    terminal.type("a\n")
    terminal.expect("Saved.")
    terminal.expect("> ")
    terminal.type("/quit\n")
    assert terminal.leave() == 0


def test_ctrl_c_cancels_the_turn_and_the_talk_goes_on(open_terminal: Open, peer: Peer) -> None:
    peer.chat.segments.append([text("Once upon")])
    terminal = open_terminal("chat")
    terminal.expect("> ")
    terminal.type("tell me a story\n")
    terminal.expect("Once upon")
    terminal.type("\x03")
    terminal.expect("cancelled")
    terminal.expect("> ")
    terminal.type("\x03")
    assert terminal.leave() == 0


def test_a_second_ctrl_c_leaves_a_turn_that_cannot_be_cancelled(
    open_terminal: Open, peer: Peer
) -> None:
    peer.chat.cancels = False
    peer.chat.segments.append([text("Once upon")])
    terminal = open_terminal("chat")
    terminal.expect("> ")
    terminal.type("tell me a story\n")
    terminal.expect("Once upon")
    terminal.type("\x03")
    terminal.expect("can't cancel a turn yet")
    terminal.type("\x03")
    assert terminal.leave() == 130
