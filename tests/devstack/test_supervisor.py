"""What dies is started again, later each time it dies soon."""

import sys
from pathlib import Path

from devstack.process import Process
from devstack.supervisor import LONGEST_DELAY, STEADY, Supervisor


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Frail(Process):
    """Ends as soon as it starts, at a time of the test's choosing."""

    clock: Clock

    def start(self) -> None:
        super().start()
        assert self.process is not None
        self.process.wait()
        self.started = self.clock.now


def frail(tmp_path: Path, clock: Clock) -> Frail:
    child = Frail(
        name="frail", command=[sys.executable, "-c", ""], environment={}, log=tmp_path / "log"
    )
    child.clock = clock
    child.start()
    return child


def delays(supervisor: Supervisor, clock: Clock, count: int) -> list[float]:
    """How long the supervisor waited before each of the next starts."""
    found = []
    for _ in range(count):
        began = clock.now
        while not supervisor.restart_exited():
            clock.now += 0.25
        found.append(clock.now - began)
    return found


def test_each_early_death_doubles_the_wait_up_to_a_limit(tmp_path: Path) -> None:
    clock = Clock()
    supervisor = Supervisor(children=[frail(tmp_path, clock)], say=lambda _: None, now=clock)
    assert delays(supervisor, clock, 8) == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY, LONGEST_DELAY]


def test_a_death_after_a_steady_time_starts_from_the_shortest_wait(tmp_path: Path) -> None:
    clock = Clock()
    child = frail(tmp_path, clock)
    supervisor = Supervisor(children=[child], say=lambda _: None, now=clock)
    assert delays(supervisor, clock, 3) == [0.5, 1, 2]
    clock.now += STEADY + 1
    assert delays(supervisor, clock, 1) == [0.5]


def test_each_end_is_told_once_with_its_code_and_log(tmp_path: Path) -> None:
    clock, said = Clock(), list[str]()
    supervisor = Supervisor(children=[frail(tmp_path, clock)], say=said.append, now=clock)
    for _ in range(3):
        supervisor.restart_exited()
        clock.now += 0.1
    (line,) = said
    assert "frail ended with 0" in line
    assert str(tmp_path / "log") in line
