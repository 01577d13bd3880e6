"""The wake-ups of grpc.aio, read all at once.

grpc.aio's poller thread queues an event and writes one byte into a socket pair. The event loop
reads one byte, handles all queued events, and comes back once for each byte that is left. Some 280
bytes fill the pair; then the poller blocks, and no call is accepted and no write completes until
the loop has come back some 200 times (ADR 31).
"""

import array
import asyncio
import fcntl
import socket
import termios
from collections.abc import Callable
from typing import Any, Final

import grpc

from shared.telemetry import logs

# The versions of grpcio whose handler was read: it handles every queued event after one byte.
VERSIONS: Final = ("1.85.",)

log = logs.logger(__name__)


def drain_wakeups(loop: asyncio.AbstractEventLoop) -> bool:
    """Has grpc.aio on this loop read all its wake-ups at once. A repeat changes nothing.

    Call it before the first object of grpc.aio on the loop. Returns False, and changes nothing,
    with a version of grpcio that is none of VERSIONS.
    """
    if not grpc.__version__.startswith(VERSIONS):
        log.warning("wakeups_not_drained", grpcio=grpc.__version__)
        return False
    if not isinstance(loop.add_reader, _DrainedReaders):
        # grpc.aio has no other place where its socket is seen.
        loop.add_reader = _DrainedReaders(loop.add_reader)  # type: ignore[method-assign, assignment]
    return True


class _DrainedReaders:
    """A loop's `add_reader` that empties the socket of grpc.aio before its handler runs."""

    def __init__(self, add_reader: Callable[..., None]) -> None:
        self._add_reader = add_reader

    def __call__(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        handler = getattr(callback, "func", callback)  # a partial that holds the loop
        owner = type(getattr(handler, "__self__", None)).__name__
        if owner != "PollerCompletionQueue" or not isinstance(fd, socket.socket):
            return self._add_reader(fd, callback, *args)
        unread = array.array("i", [0])

        def drained() -> None:
            fcntl.ioctl(fd, termios.FIONREAD, unread)
            if unread[0] > 1:
                fd.recv(unread[0] - 1)  # the handler reads the last one
            callback(*args)

        return self._add_reader(fd, drained)
