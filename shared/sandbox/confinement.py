"""What a process of the sandbox may still do once it has imported its jobs.

Each measure is taken where the kernel has it; `confine` says which hold. Linux documents them in
prctl(2), seccomp(2), landlock(7) and getrlimit(2).
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable, Sequence
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2

# Of a filter: load a word, and-with, compare, return.
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # EPERM
_NUMBER, _ARCHITECTURE = 0, 4
_OPENAT_FLAGS: Final = 16 + 8 * 2
_X32: Final = 0x40000000
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000

# The number of `openat`, and of the calls that a computation in Python makes: memory, time,
# timers of its own, signals to itself, reading and writing what is open, and looking at files.
_X86_64: Final = (
    257,
    (
        0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24, 25, 28, 32,
        35, 38, 39, 60, 63, 72, 79, 89, 96, 97, 98, 99, 100, 102, 104, 107, 108, 110, 131, 186, 201,
        202, 204, 217, 218, 219, 228, 229, 230, 231, 262, 267, 269, 270, 273, 281, 318, 332, 334,
        439,
    ),
)  # fmt: skip
_AARCH64: Final = (
    56,
    (
        17, 23, 25, 29, 48, 57, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78, 79, 80, 93, 94, 96, 98, 99,
        100, 101, 103, 113, 114, 115, 123, 124, 128, 132, 134, 135, 139, 153, 160, 165, 169, 172,
        173, 174, 175, 176, 177, 178, 214, 215, 216, 222, 226, 227, 233, 278, 291, 293, 439,
    ),
)  # fmt: skip
_MACHINES: Final = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}

# landlock_create_ruleset, landlock_add_rule and landlock_restrict_self, on every machine
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_OF_ABI_1: Final = (1 << 13) - 1
_PATH_BENEATH: Final = 1


def confine(*, memory: int, readable: Iterable[str]) -> list[str]:
    """Confines this process for good. Returns the measures that hold.

    `memory` is how many bytes it may take beside what it has; `readable` are the only folders
    that it may still read. Afterwards it can't open a socket, start a process or write a file.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(memory)
    held = ["limits"]
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        held.append("no_new_privs")
        if _restrict_files(libc, readable):
            held.append("landlock")
        if _filter_calls(libc):
            held.append("seccomp")
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return held


def _limit(memory: int) -> None:
    with open("/proc/self/statm") as statm:
        has = int(statm.read().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, has + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower one holds already
            resource.setrlimit(what, (most, most))


def _restrict_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    attributes = ctypes.create_string_buffer(struct.pack("Q", _ALL_OF_ABI_1))
    rules = libc.syscall(_CREATE, attributes, 8, 0)
    if rules < 0:
        return False
    try:
        for folder in readable:
            with contextlib.suppress(OSError):
                _let_read(libc, rules, folder)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _let_read(libc: ctypes.CDLL, rules: int, folder: str) -> None:
    place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        access = _READ_FILE | (_READ_DIR if os.path.isdir(folder) else 0)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place))
        libc.syscall(_ADD, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def _filter_calls(libc: ctypes.CDLL) -> bool:
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    code = _build_filter(known[0], *known[1])
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(steps))
    given = ctypes.create_string_buffer(program)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, given, 0, 0) == 0)


def _build_filter(
    architecture: int, openat: int, calls: Sequence[int]
) -> list[tuple[int, int, int, int]]:
    """Allows `calls`, and `openat` that only reads. Any other call is refused with EPERM."""
    count = len(calls)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, count + 4, 0, _X32),
        (_EQUAL, 0, 3, openat),
        (_LOAD, 0, 0, _OPENAT_FLAGS),
        (_AND, 0, 0, _WRITES),
        (_EQUAL, count + 1, count, 0),
        *((_EQUAL, count - index, 0, number) for index, number in enumerate(calls)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
