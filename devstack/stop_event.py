"""The event that a signal sets when a person ends the stack."""

import contextlib
import queue
from dataclasses import dataclass, field


@dataclass(slots=True)
class StopEvent:
    """What a signal handler may set at any moment.

    `threading.Event` has a lock, for which a handler would wait forever when it interrupts the
    thread that holds it.
    """

    _is_set: bool = field(default=False, init=False)
    _signals: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue, init=False)

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._signals.put(None)

    def wait(self, seconds: float) -> bool:
        """Waits in one thread until the event is set. Returns False if it is not set in time."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._signals.get(timeout=seconds)
        return self._is_set
