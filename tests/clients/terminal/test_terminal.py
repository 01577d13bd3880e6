"""`rota chat` on a real terminal, in a process of its own."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
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
DEADLINE_SECONDS = 90.0
# Its terminal is the one whose Ctrl-C it gets.
LAUNCH = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """80 columns of terminal with `rota` in it."""

    def __init__(self, env: dict[str, str], *args: str) -> None:
        command = [str(Path(sys.executable).with_name("rota")), *args]
        self._fd, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *command],
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, **env, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(its)
        self.said = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def expect(self, what: str) -> None:
        """Reads until `what` has been said since the last time."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while what not in self.said:
            self._read(deadline, what)
        self.said = self.said.partition(what)[2]

    def expect_to_be_asked(self) -> None:
        """Until it waits at its prompt: a Ctrl-C just before that only counts with the next key."""
        self.expect("> ")
        deadline = time.monotonic() + DEADLINE_SECONDS
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def leave(self) -> int:
        """The exit code, when it has ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with contextlib.suppress(EOFError):
            while True:
                self._read(deadline, "the end")
        return self._process.wait(DEADLINE_SECONDS)

    def _read(self, deadline: float, what: str) -> None:
        ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{what!r} was not said: {self.said}"
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            raise EOFError(self.said)
        self.said += ESCAPES.sub(b"", chunk).decode(errors="replace")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


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
    terminal.expect_to_be_asked()
    terminal.type("\x03")
    assert terminal.leave() == 0
    assert "·" not in terminal.said


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
