"""The CPU time of a call, to be compared with that of another call in the same test."""

import time
from collections.abc import Callable
from typing import Final

# A linear call is near 4, a quadratic one near 16.
LINEAR: Final = 8
_ROUNDS: Final = 5


def growth(call: Callable[[int], object], size: int) -> float:
    """Returns how many times the CPU time of `call(size)` that of `call(4 * size)` is.

    A part of the time that does not depend on the size brings it below 4: choose a size that
    takes some tenths of a millisecond at least.
    """
    return ratio(lambda: call(4 * size), lambda: call(size))


def ratio(call: Callable[[], object], other: Callable[[], object]) -> float:
    """Returns the CPU time of `call` over that of `other`: the shortest of some each."""
    pairs = [(_cpu_seconds(call), _cpu_seconds(other)) for _ in range(_ROUNDS)]
    return min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began
