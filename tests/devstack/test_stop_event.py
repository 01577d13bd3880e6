"""The event that ends the stack."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from devstack.stop_event import StopEvent


def test_it_is_set_once_for_all() -> None:
    event = StopEvent()
    assert not event.is_set()
    assert not event.wait(0)
    event.set()
    assert event.is_set()
    assert [event.wait(60) for _ in range(3)] == [True, True, True]


def test_it_ends_a_wait() -> None:
    event = StopEvent()
    timer = threading.Timer(0.01, event.set)
    timer.start()
    assert event.wait(60)
    timer.join()


@pytest.mark.timeout(30)
def test_a_signal_sets_it_at_each_line_of_a_wait() -> None:
    event, lines = StopEvent(), set()

    def interrupt(frame: FrameType, _: str, __: Any) -> Any:
        if frame.f_code.co_filename != __file__:
            lines.add(frame.f_lineno)
            signal.raise_signal(signal.SIGUSR1)
        return interrupt

    before = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    sys.settrace(interrupt)
    try:
        event.wait(0.01)
    finally:
        sys.settrace(None)
        signal.signal(signal.SIGUSR1, before)
    assert lines
    assert event.is_set()
