"""`python -m shared.sandbox PARENT MODULE FD`: does the jobs of a module, one after another.

A job comes in a frame from the socket FD and its answer goes back there. The process ends with
its socket, with its parent, and after a job that took all the memory it may have.
"""

import ctypes
import gc
import importlib
import os
import signal
import sys
import sysconfig
from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.sandbox import confinement, frames

_PR_SET_PDEATHSIG: Final = 1
# of libraries in C, which a module of Python may load
_LIBRARIES: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
)
MEMORY: Final = 256 << 20


def main() -> int:
    parent, module, socket_number = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != int(parent):
        return 1
    gc.disable()  # what is imported stays
    jobs: Mapping[str, Callable[[Any], Any]] = importlib.import_module(module).JOBS
    gc.freeze()
    gc.enable()
    held = confinement.confine(memory=MEMORY, readable=_find_readable())
    service = int(socket_number)
    _send(service, frames.encode_within_limits({"confined": held}))
    while (frame := _receive(service)) is not None:
        answer, goes_on = _answer(jobs, frame)
        _send(service, answer)
        if not goes_on:
            break
    return 0


def _answer(jobs: Mapping[str, Callable[[Any], Any]], frame: bytes) -> tuple[bytes, bool]:
    try:
        asked = frames.decode_within_limits(frame)
        answer = frames.encode_within_limits({"result": jobs[asked["kind"]](asked["job"])})
    except MemoryError:
        return frames.encode_within_limits({"failure": "memory"}), False
    except RecursionError:
        return frames.encode_within_limits({"failure": "depth"}), True
    except Exception as error:  # noqa: BLE001 - its message may hold what a person wrote
        return frames.encode_within_limits({"failure": "error", "type": type(error).__name__}), True
    if len(answer) > frames.MAX_ANSWER:
        return frames.encode_within_limits({"failure": "size"}), True
    return answer, True


def _receive(service: int) -> bytes | None:
    head = _read(service, frames.HEAD.size)
    if head is None:
        return None
    return _read(service, frames.HEAD.unpack(head)[0])


def _read(service: int, size: int) -> bytes | None:
    read = bytearray()
    while len(read) < size:
        piece = os.read(service, min(size - len(read), 1 << 20))
        if not piece:
            return None
        read += piece
    return bytes(read)


def _send(service: int, frame: bytes) -> None:
    left = memoryview(frame)
    while left:
        left = left[os.write(service, left) :]


def _find_readable() -> list[str]:
    """The places of code."""
    places = {*sys.path, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    return [place for place in {*places, *_LIBRARIES} if place and place != "/"]


if __name__ == "__main__":
    sys.exit(main())
