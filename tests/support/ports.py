"""Ports that tests give to servers they start: free, and never the same one twice."""

from typing import Final

from devstack import postgres_process

_given: Final[set[int]] = set()


def free_port() -> int:
    while (port := postgres_process.free_port()) in _given:
        pass
    _given.add(port)
    return port
