"""Jobs that a sandbox is tested with: what a person's text must not make a process do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final


def echo(job: Any) -> Any:
    return job


def find_process(_: Any) -> int:
    return os.getpid()


def spin(_: Any) -> None:
    while True:
        pass


def rest_and_spin(seconds: float) -> None:
    time.sleep(seconds)
    spin(None)


def take_memory(_: Any) -> int:
    return len(b"x" * (1 << 31))


def nest(_: Any) -> Any:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


def grow(_: Any) -> str:
    return "x" * (17 << 20)


def end(_: Any) -> None:
    os._exit(1)


def write_garbage(_: Any) -> None:
    os.write(int(sys.argv[3]), b"\0\0\0\4oops")


def claim_size(_: Any) -> None:
    os.write(int(sys.argv[3]), b"\xff\xff\xff\xff")


def fail(job: Any) -> None:
    raise ValueError(job)


def _attempt(act: Callable[[], Any]) -> str:
    try:
        act()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "done"


def attempt(job: Mapping[str, Any]) -> dict[str, str]:
    """What becomes of acts that no job may do."""
    return {
        "a socket": _attempt(socket.socket),
        "a pair of sockets": _attempt(socket.socketpair),
        "a child": _attempt(os.fork),
        "a program": _attempt(lambda: subprocess.run(["/bin/true"])),
        "another program in place": _attempt(lambda: os.execv("/bin/true", ["true"])),
        "a signal": _attempt(lambda: os.kill(job["service"], signal.SIGTERM)),
        "the service's settings": _attempt(
            lambda: open(f"/proc/{job['service']}/environ", "rb").read()
        ),
        "a file": _attempt(lambda: open(job["file"]).read()),
        "another file": _attempt(lambda: open(f"{job['file']}.new", "w")),
        "no file any more": _attempt(lambda: os.unlink(job["file"])),
        "a pipe": _attempt(os.pipe),
        "more memory": _attempt(
            lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_AS, (-1, -1))
        ),
    }


def read_code(_: Any) -> int:
    """Reads what a job may need: a module that was not imported, and a time zone."""
    import colorsys
    from importlib import resources

    zone = resources.files("tzdata").joinpath("zoneinfo", "Europe", "Paris").read_bytes()
    return len(zone) * bool(colorsys.__file__)


def list_environment(_: Any) -> list[str]:
    return sorted(os.environ)


JOBS: Final[Mapping[str, Callable[[Any], Any]]] = {
    each.__name__: each
    for each in (
        echo, find_process, spin, rest_and_spin, take_memory, nest, grow, end, write_garbage,
        claim_size, fail, attempt, read_code, list_environment,
    )
}  # fmt: skip
