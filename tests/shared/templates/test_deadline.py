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


# CPU seconds. Each test reaches the code that shall be interrupted in less.
LIMIT = 0.2


def _take_time() -> None:
    """Takes longer than the limit, unless it is interrupted."""
    began = time.process_time()
    while time.process_time() - began < 2 * LIMIT:
        pass


class _SlowFinaliser:
    """An object whose end takes longer than the limit. Only the collector ends it by itself."""

    def __init__(self, ended: list[str]) -> None:
        self.cycle = self
        self.ended = ended

    def __del__(self) -> None:
        _take_time()
        self.ended.append("whole")


class _BadFinaliser:
    def __del__(self) -> None:
        raise ValueError("of its own")


def test_what_the_collector_ends_within_a_limit_is_not_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    callbacks = list(gc.callbacks)
    gc.collect()
    _SlowFinaliser(ended)
    with pytest.raises(errors.TemplateFailed), limit_time(LIMIT):
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
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    swallowed = False
    with pytest.raises(errors.TemplateFailed), limit_time(LIMIT):
        made = _SlowFinaliser(ended)
        del made.cycle
        del made
        swallowed = True
        while True:
            pass
    assert swallowed
    assert not ended
    assert not reported


def test_a_report_of_what_another_finaliser_raised_is_not_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[str] = []

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        _take_time()
        reported.append(str(unraisable.exc_value))

    monkeypatch.setattr(sys, "unraisablehook", report)
    with pytest.raises(errors.TemplateFailed), limit_time(LIMIT):
        _BadFinaliser()
        while True:
            pass
    assert reported == ["of its own"]
