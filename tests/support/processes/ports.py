"""Ports that tests give to servers they start: free, and never the same one twice.

A server binds its port some time after it was given one, so what is free says little: each process
takes ports of blocks that no other process of tests takes them of.
"""

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devstack.postgres.process import port_is_free

# Below those that the programs under test choose for themselves, and below any that a kernel
# gives to outgoing connections.
_PORTS: Final = range(10_000, 16_000)
_BLOCK: Final = 100
_LOCKS: Final = Path(tempfile.gettempdir(), f"rota-test-ports-{os.getuid()}")
_blocks: Final[list[range]] = []
_given: Final[set[int]] = set()
# A copy of this process takes blocks of its own.
os.register_at_fork(after_in_child=_blocks.clear)


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """Returns the first of `count` ports that follow one another, at most a block of them."""
    for block in _list_blocks():
        for first in block[: _BLOCK + 1 - count]:
            ports = range(first, first + count)
            if not _given.intersection(ports) and all(map(port_is_free, ports)):
                _given.update(ports)
                return first
    raise AssertionError(f"no {count} ports are free between {_PORTS.start} and {_PORTS.stop}")


def _list_blocks() -> Iterator[range]:
    """Yields the blocks of this process, and then further ones that become its own."""
    yield from _blocks
    starts = _PORTS[::_BLOCK]
    for start in random.SystemRandom().sample(starts, len(starts)):
        block = range(start, start + _BLOCK)
        if block not in _blocks and _lock(start):
            _blocks.append(block)
            yield block


def _lock(start: int) -> bool:
    """Whether a block is this process's from now on, until it ends."""
    _LOCKS.mkdir(exist_ok=True)
    held = os.open(_LOCKS / str(start), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return False
    return True
