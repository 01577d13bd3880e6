"""Templates of a step: its config and its `when`, evaluated within limits."""

import contextlib
import functools
import html
import json
import pprint
import string
import sys
import textwrap
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import jinja2
import markupsafe
from jinja2 import TemplateError, Undefined
from jinja2.environment import TemplateExpression

from automation_service.runs import template_calls
from automation_service.runs.template_environment import (
    MAX_RENDERED,
    WRITTEN,
    RunEnvironment,
    TemplateValue,
    WrittenText,
    measure,
    too_large,
)
from shared import errors
from shared.definition.templates import MAX_SOURCE, is_template

MAX_SECONDS: Final = 0.1
_CACHED: Final = 512
_PACKAGES: Final = (html, jinja2, json, markupsafe)
_MODULES: Final = (pprint, string, textwrap, urllib.parse)
# Where a template spends its time.
_TRACED: Final = (
    "<template>",
    __file__,
    str(template_calls.__file__),
    *(str(Path(str(package.__file__)).parent) for package in _PACKAGES),
    *(str(module.__file__) for module in _MODULES),
)


class _TimeLimitExceeded(BaseException):
    """Not an Exception, so that no handler inside a template catches it."""


def render(config: Any, names: Mapping[str, Any], *, seconds: float = MAX_SECONDS) -> Any:
    """Renders every template in a config. Raises TemplateFailed or OutputTooLarge.

    A string that is one `{{ expression }}` becomes its value, with the type of the value. All
    templates of one config share the time limit of `seconds`.
    """
    if not contains_template(config):
        return _render(config, names)  # a copy; to limit the time of templates costs more
    with _limits(seconds):
        return _render(config, names)


def contains_template(config: Any) -> bool:
    """Returns False for a config that is the same whatever the names are."""
    match config:
        case str():
            return is_template(config)
        case dict():
            return any(map(contains_template, config.values()))
        case list():
            return any(map(contains_template, config))
    return False


def evaluate_condition(expression: str, names: Mapping[str, Any]) -> bool:
    """Returns the truth of a `when`. An unknown name is empty, so falsy."""
    with _limits(MAX_SECONDS):
        return bool(_value(expression, names))


@contextlib.contextmanager
def _limits(seconds: float) -> Iterator[None]:
    token = WRITTEN.set(WrittenText())
    try:
        with _TimeLimit(seconds):
            yield
    finally:
        WRITTEN.reset(token)


def _render(value: Any, names: Mapping[str, Any]) -> Any:
    match value:
        case str() if is_template(value):
            return _text(value, names)
        case dict():
            return {key: _render(item, names) for key, item in value.items()}
        case list():
            return [_render(item, names) for item in value]
    return value


def _text(source: str, names: Mapping[str, Any]) -> Any:
    if (expression := _lone(source)) is not None:
        found = _value(expression, names)
        return "" if found is None or isinstance(found, Undefined) else _plain(found)
    try:
        return _joined(_template(source).generate(dict(names)))
    except Exception as error:
        raise _failed(error) from error


def _value(expression: str, names: Mapping[str, Any]) -> Any:
    try:
        return _expression(expression)(**names)
    except Exception as error:
        raise _failed(error) from error


def _joined(pieces: Iterator[str]) -> str:
    text, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_RENDERED:
            raise too_large()
        text.append(piece)
    return "".join(text)


def _lone(source: str) -> str | None:
    """Returns the expression of a string that is exactly one `{{ expression }}`."""
    text = source.strip()
    if not (text.startswith("{{") and text.endswith("}}")):
        return None
    tokens = [kind for _, kind, _ in _environment().lex(text)]
    if tokens.count("variable_begin") == 1 and tokens[-1] == "variable_end":
        inner = text[2:-2]
        inner = inner[1:] if inner[:1] in ("-", "+") else inner
        return inner[:-1] if inner[-1:] in ("-", "+") else inner
    return None


def _plain(value: Any) -> Any:
    """Returns the value as JSON has it, or its text when JSON has no such value."""
    if isinstance(value, TemplateValue):
        value = value.value
    measure(value)
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = str(value)
        WRITTEN.get().spend(len(text))
        return text
    if len(text) > MAX_RENDERED:
        raise too_large()
    WRITTEN.get().spend(len(text))
    return json.loads(text)


@functools.cache
def _environment() -> RunEnvironment:
    return RunEnvironment()


@functools.lru_cache(maxsize=_CACHED)
def _template(source: str) -> Any:
    _limit(source)
    return _environment().from_string(source)


@functools.lru_cache(maxsize=_CACHED)
def _expression(source: str) -> TemplateExpression:
    _limit(source)
    return _environment().compile_expression(source, undefined_to_none=True)


def _limit(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise errors.TemplateFailed(f"a template is longer than {MAX_SOURCE} characters")


def _failed(error: Exception) -> errors.RotaError:
    if isinstance(error, errors.RotaError):
        return error
    said = error.message if isinstance(error, TemplateError) and error.message else ""
    return errors.TemplateFailed(
        f"a template could not be rendered: {said or type(error).__name__}"
    )


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
            raise errors.TemplateFailed(
                f"a template ran for longer than {int(self._seconds * 1000)} ms"
            ) from None

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        # Only in templates: a finaliser would swallow the exception, and the limit with it.
        if not frame.f_code.co_filename.startswith(_TRACED):
            return None
        # thread_time() is a system call, so the cheap clock is checked first.
        if time.perf_counter() > self._until and time.thread_time() > self._most:
            raise _TimeLimitExceeded
        return self._trace
