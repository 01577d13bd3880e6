"""Templates of a step: its config and its `when`, evaluated within limits."""

import functools
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import jinja2
from jinja2 import ChainableUndefined, TemplateError, Undefined
from jinja2.environment import TemplateExpression
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared import errors
from shared.definition.templates import MAX_SOURCE, is_template
from shared.definition.templates import environment as checked_in

MAX_SECONDS: Final = 0.1
MAX_RENDERED: Final = 1 << 20
_CACHED: Final = 512
_TRACED: Final = ("<template>", str(Path(jinja2.__file__).parent), __file__)
# Filters that pad text to a width that the template chooses.
_WIDENING: Final = ("batch", "center", "format", "indent", "slice", "truncate", "wordwrap")


class TemplateValue(dict[str, Any]):
    """A value with members: `steps.news` renders the value, `steps.news.output` a member."""

    def __init__(self, value: Any, members: Mapping[str, Any]) -> None:
        super().__init__({**(value if isinstance(value, dict) else {}), **members})
        self.value = value

    def __str__(self) -> str:
        return "" if self.value is None else str(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


class _TimeLimitExceeded(BaseException):
    """Not an Exception, so that no handler inside a template catches it."""


def render(config: Any, names: Mapping[str, Any], *, seconds: float = MAX_SECONDS) -> Any:
    """Renders every template in a config. Raises TemplateFailed or OutputTooLarge.

    A string that is one `{{ expression }}` becomes its value, with the type of the value. All
    templates of one config share the time limit of `seconds`.
    """
    with _TimeLimit(seconds):
        return _render(config, names)


def evaluate_condition(expression: str, names: Mapping[str, Any]) -> bool:
    """Returns the truth of a `when`. An unknown name is empty, so falsy."""
    with _TimeLimit(MAX_SECONDS):
        return bool(_value(expression, names))


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
            raise _too_large()
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
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return str(value)
    if len(text) > MAX_RENDERED:
        raise _too_large()
    return json.loads(text)


class _BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Refuses an operation whose result is huge; the time limit can't interrupt one operation."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _bounded(_outcome_size(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, called: Any, /, *args: Any, **options: Any) -> Any:
        if isinstance(getattr(called, "__self__", None), str):
            _bounded_numbers((*args, *options.values()))
        return super().call(context, called, *args, **options)


def _outcome_size(operator: str, left: Any, right: Any) -> int:
    """Estimates the size of a result: items of a sequence, bits of an integer."""
    match operator, left, right:
        case "*", int(), int():
            return left.bit_length() + right.bit_length()
        case "*", str() | list() | tuple(), int():
            return len(left) * right
        case "*", int(), str() | list() | tuple():
            return left * len(right)
        case "**", int(), int():
            return left.bit_length() * abs(right)
        case "+", str() | list() | tuple(), str() | list() | tuple():
            return len(left) + len(right)
        case "%", str(), _:
            return _widest(left)
    return 0


def _guarded(filter_: Any) -> Any:
    @functools.wraps(filter_)
    def guarded(value: Any, *args: Any, **options: Any) -> Any:
        _bounded_numbers((*args, *options.values()))
        if filter_ is FILTERS["format"]:
            _bounded(_widest(str(value)))
        return filter_(value, *args, **options)

    return guarded


def _widest(pattern: str) -> int:
    return max((int(found) for found in re.findall(r"[0-9]{1,18}", pattern)), default=0)


def _bounded_numbers(values: tuple[Any, ...]) -> None:
    for value in values:
        if isinstance(value, int):
            _bounded(abs(value))


def _bounded(size: int) -> None:
    if size > MAX_RENDERED:
        raise _too_large()


@functools.cache
def _environment() -> _BoundedEnvironment:
    model = checked_in()
    made = _BoundedEnvironment(
        undefined=ChainableUndefined, keep_trailing_newline=True, autoescape=False
    )
    made.globals = dict(model.globals)
    made.filters = {
        name: _guarded(found) if name in _WIDENING else found
        for name, found in model.filters.items()
    }
    return made


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


def _too_large() -> errors.OutputTooLarge:
    return errors.OutputTooLarge(
        f"a rendered value is larger than {MAX_RENDERED} bytes",
        metadata={"limit_bytes": str(MAX_RENDERED)},
    )


class _TimeLimit:
    """Interrupts Python code of this thread after a limit of CPU seconds.

    It checks between lines of Python, so it can't interrupt a call into C; the sandbox keeps
    such calls small (`range` is capped).
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
