"""The limit of time of what a template does."""

import contextlib
import html
import json
import pprint
import string
import sys
import textwrap
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import jinja2
import markupsafe

from shared.templates.sizes import WRITTEN, WrittenText, too_slow

MAX_SECONDS: Final = 0.1
_PACKAGES: Final = (html, jinja2, json, markupsafe)
_MODULES: Final = (pprint, string, textwrap, urllib.parse)
# Of this package, where a template spends its time: what sets and ends the limit is not there.
_OWN: Final = (
    "calls.py",
    "earlier.py",
    "environment.py",
    "evaluation.py",
    "filters.py",
    "lists.py",
)
# Where a template spends its time.
_TRACED: Final = (
    "<template>",
    *(str(Path(__file__).parent / name) for name in _OWN),
    *(str(Path(str(package.__file__)).parent) for package in _PACKAGES),
    *(str(module.__file__) for module in _MODULES),
)


class _TimeLimitExceeded(BaseException):
    """Not an Exception, so that no handler inside a template catches it."""


@contextlib.contextmanager
def limited(seconds: float = MAX_SECONDS, *, watched: bool = True) -> Iterator[None]:
    """Limits what is rendered inside: `seconds` of CPU, and MAX_WRITTEN characters.

    Without `watched` the clock is looked at only before a filter and after each piece, which
    is enough for few operations. Raises TemplateFailed or OutputTooLarge.
    """
    token = WRITTEN.set(WrittenText(seconds))
    try:
        if watched:
            with _TimeLimit(seconds):
                yield
        else:
            yield
    finally:
        WRITTEN.reset(token)


class _TimeLimit:
    """Interrupts Python code of this thread after a limit of CPU seconds.

    It checks between lines of Python, so it can't interrupt a call into C; the environment
    keeps such calls small.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.perf_counter() + seconds
        self._most = time.thread_time() + seconds
        self._before: Any = None
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        if self._before is None:
            sys.settrace(self._trace)

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        sys.settrace(self._before)
        if isinstance(error, _TimeLimitExceeded):
            raise too_slow(self._seconds) from None

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        # Only in templates: a finaliser would swallow the exception, and the limit with it.
        if not frame.f_code.co_filename.startswith(_TRACED):
            return None
        # thread_time() is a system call, so the cheap clock is checked first.
        if time.perf_counter() > self._until and time.thread_time() > self._most:
            raise _TimeLimitExceeded
        return self._trace
