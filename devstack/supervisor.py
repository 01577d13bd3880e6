"""Restarts processes that end, with a delay that doubles each time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from devstack.process import Process

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
STEADY: Final = 30.0  # up for so long, a process has shown that it can run


@dataclass(slots=True, kw_only=True)
class Supervisor:
    children: list[Process]
    say: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    _delays: dict[str, float] = field(default_factory=dict, init=False)
    _due: dict[str, float] = field(default_factory=dict, init=False)

    def restart_exited(self) -> bool:
        """Checks every process once; True when it restarted one."""
        started = [child for child in self.children if not child.alive and self._is_due(child)]
        for child in started:
            child.start()
            self.say(f"{child.name} runs again (process {child.pid})")
        return bool(started)

    def _is_due(self, child: Process) -> bool:
        due = self._due.get(child.name)
        if due is None:
            due = self._schedule(child)
        if self.now() < due:
            return False
        del self._due[child.name]
        return True

    def _schedule(self, child: Process) -> float:
        delay = self._delays.get(child.name, FIRST_DELAY / 2) * 2
        if self.now() - child.started > STEADY:
            delay = FIRST_DELAY
        delay = self._delays[child.name] = min(delay, LONGEST_DELAY)
        self.say(
            f"{child.name} ended with {child.exit_code}; starting it again in {delay:g} s "
            f"(see {child.log})"
        )
        due = self._due[child.name] = self.now() + delay
        return due
