"""The limit of time of a template, where it ends."""

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from shared import errors
from shared.templates.deadline import limit_time

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def _with_the_frame_that_begins_it(found: list[FrameType]) -> Iterator[None]:
    found.append(sys._getframe(1))
    yield


def test_an_interrupt_where_the_limit_ends_does_not_leave_it() -> None:
    frames: list[FrameType] = []
    went_on = False
    with _with_the_frame_that_begins_it(frames), pytest.raises(errors.TemplateFailed):  # noqa: SIM117
        with limit_time(60):
            handler = signal.getsignal(signal.SIGPROF)
            assert callable(handler)
            handler(signal.SIGPROF, frames[0])
            went_on = True
            handler(signal.SIGPROF, sys._getframe())
    assert went_on


class _SlowFinaliser:
    """An object whose end takes longer than the limit, and that only the collector ends."""

    def __init__(self, ended: list[str]) -> None:
        self.cycle = self
        self.ended = ended

    def __del__(self) -> None:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        self.ended.append("whole")


def test_what_the_collector_ends_within_a_limit_is_not_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    callbacks = list(gc.callbacks)
    gc.collect()
    _SlowFinaliser(ended)
    with pytest.raises(errors.TemplateFailed), limit_time(0.01):
        gc.collect()
        while True:
            pass
    assert ended == ["whole"]
    assert not reported
    assert gc.callbacks == callbacks


def test_an_interrupt_that_a_finaliser_swallows_comes_again_and_is_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []
    reported: list[str] = []

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        reported.append(str(unraisable.exc_value))

    class Bad:
        def __del__(self) -> None:
            raise ValueError("of its own")

    monkeypatch.setattr(sys, "unraisablehook", report)
    with pytest.raises(errors.TemplateFailed), limit_time(0.01):
        made = _SlowFinaliser(ended)
        del made.cycle
        del made
        Bad()
        while True:
            pass
    assert ended == []
    assert reported == ["of its own"]
