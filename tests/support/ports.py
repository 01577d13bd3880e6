"""Ports that tests give to servers they start: free, and never the same one twice."""

import random
from typing import Final

from devstack.postgres_process import port_is_free

# Below those that the programs under test choose for themselves, and below any that a kernel
# gives to outgoing connections.
_PORTS: Final = range(10_000, 16_000)
_given: Final[set[int]] = set()


def free_port() -> int:
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if port not in _given and port_is_free(port):
            _given.add(port)
            return port
    raise AssertionError(f"no port is free between {_PORTS.start} and {_PORTS.stop}")


def free_ports(count: int) -> int:
    """Returns the first of `count` ports that follow one another."""
    for first in random.SystemRandom().sample(_PORTS[:-count], len(_PORTS) - count):
        ports = range(first, first + count)
        if not _given.intersection(ports) and all(map(port_is_free, ports)):
            _given.update(ports)
            return first
    raise AssertionError(f"no {count} ports are free between {_PORTS.start} and {_PORTS.stop}")
