"""The limit of time of a template, where it ends."""

import contextlib
import signal
import sys
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
