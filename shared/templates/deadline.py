"""The limit of time of what a template does."""

import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Final

from shared.templates.sizes import WRITTEN, WrittenText, too_slow

# Of CPU. A list of a thousand lines, with four filters a line, takes a thirtieth of it.
MAX_SECONDS: Final = 2.0
# Of CPU that a service spends on a step before it leaves it to the sandbox.
QUICK_SECONDS: Final = 0.1
# Of CPU, between an interrupt that was held back or swallowed and the next one.
_AGAIN_SECONDS: Final = 0.01
# What runs when the limit begins and ends.
_ENDS: Final = frozenset({__file__, contextlib.__file__})


class SlowTemplate(BaseException):
    """What is rendered inside `limit_loop_time` takes longer. No template catches it."""


class _TimeLimitExceeded(BaseException):
    """Not an Exception, so that no handler inside a template catches it."""


@contextlib.contextmanager
def limit_time(seconds: float = MAX_SECONDS, *, interrupted: bool = True) -> Iterator[None]:
    """Limits what is rendered inside: `seconds` of CPU, and MAX_WRITTEN characters.

    Only the main thread of a process can be interrupted. Without `interrupted` the clock is
    looked at only before a filter and after each piece, which is enough for few operations.
    Raises TemplateFailed or OutputTooLarge.
    """
    token = WRITTEN.set(WrittenText(seconds, lambda: too_slow(seconds)))
    try:
        if interrupted:
            with _Timer(seconds):
                yield
        else:
            yield
    finally:
        WRITTEN.reset(token)


@contextlib.contextmanager
def limit_loop_time(seconds: float = QUICK_SECONDS) -> Iterator[None]:
    """Limits few operations on the loop of a service, to `seconds` of CPU. Raises SlowTemplate."""
    token = WRITTEN.set(WrittenText(seconds, SlowTemplate))
    try:
        yield
    finally:
        WRITTEN.reset(token)


class _Timer:
    """Interrupts Python code after a limit of CPU seconds of this process.

    A timer of the kernel does it, so what runs within the limit costs no more and ends as it
    would without one. It can't interrupt a call into C; the environment keeps such calls small.
    The garbage collection ends the objects of anybody, so no interrupt comes while it runs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._runs = False
        self._is_held = False

    def __enter__(self) -> None:
        self._runs = True
        gc.callbacks.insert(0, self._hold)  # before the callbacks of others
        gc.callbacks.append(self._release)  # and after them
        self._hook, sys.unraisablehook = sys.unraisablehook, self._report
        self._before = signal.signal(signal.SIGPROF, self._interrupt)
        signal.setitimer(signal.ITIMER_PROF, self._seconds, _AGAIN_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._runs = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._before)
        sys.unraisablehook = self._hook
        gc.callbacks.remove(self._hold)
        gc.callbacks.remove(self._release)
        if isinstance(error, _TimeLimitExceeded):
            raise too_slow(self._seconds) from None

    def _interrupt(self, _: int, frame: FrameType | None) -> None:
        # Where the limit ends, an interrupt would escape it. The next one comes soon.
        inside = frame is not None and frame.f_code.co_filename in _ENDS
        if self._runs and not inside and not self._is_held:
            raise _TimeLimitExceeded

    def _hold(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._is_held = True

    def _release(self, phase: str, _: dict[str, int]) -> None:
        if phase == "stop":
            self._is_held = False

    def _report(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Drops an interrupt that a finaliser swallowed; what else it raised goes to its hook."""
        if unraisable.exc_type is _TimeLimitExceeded:
            return
        was_held, self._is_held = self._is_held, True
        try:
            self._hook(unraisable)
        finally:
            self._is_held = was_held
