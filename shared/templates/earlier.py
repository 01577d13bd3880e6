"""The earlier rules of rendering, for revisions that were saved under them.

A revision that was saved under these rules keeps them until it is saved again.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import ChainableUndefined, TemplateError, Undefined, pass_context
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Macro, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter
from markupsafe import Markup

from shared import errors
from shared.templates.deadline import MAX_SECONDS, limit_time
from shared.templates.environment.calls import SEARCHES, make_mapping
from shared.templates.environment.compiler import BoundedCompiler
from shared.templates.marks import MAX_SOURCE, is_template
from shared.templates.sizes import (
    FILTER_SIZES,
    MAX_RENDERED,
    METHOD_SIZES,
    METHOD_STEPS,
    PLAIN_METHODS,
    WRITTEN,
    BoundedFields,
    bound_filter,
    bound_value,
    limit_size,
    limit_steps,
    materialize,
    measure,
    operator_size,
    too_large,
)
from shared.templates.values import TemplateValue

_CACHED: Final = 512


class EarlierEnvironment(ImmutableSandboxedEnvironment):
    """Names that are missing are empty. Raises OutputTooLarge, and SecurityError for a call."""

    code_generator_class = BoundedCompiler
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self) -> None:
        super().__init__(
            undefined=ChainableUndefined,
            keep_trailing_newline=True,
            autoescape=False,
            finalize=_write,
        )
        self.globals = {"range": self.globals["range"], "dict": make_mapping}
        self.filters = {name: bound_filter(name, FILTERS[name]) for name in FILTER_SIZES}

    def bound(self, value: Any) -> Any:
        """Returns the value. An iterator is counted while it is read."""
        return bound_value(value)

    def concat_texts(self, context: Context, parts: tuple[Any, ...]) -> str:
        measure(parts)
        return (markup_join if context.eval_ctx.autoescape else str_join)(parts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        limit_size(operator_size(operator, left, right))
        found = super().call_binop(context, operator, left, right)
        return bound_value(found) if isinstance(found, int) else found

    def call(self, context: Any, called: Any, /, *args: Any, **options: Any) -> Any:
        owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
        if isinstance(owner, Mapping | list | tuple | int | float) and name in PLAIN_METHODS:
            return super().call(context, called, *args, **options)
        args = tuple(map(materialize, args))
        if isinstance(owner, str) and name in METHOD_SIZES:
            limit_size(METHOD_SIZES[name](owner, *args, **options))
            if name in METHOD_STEPS:
                limit_steps(name, METHOD_STEPS[name](owner, *args, **options))
            if name in SEARCHES:
                return bound_value(SEARCHES[name](owner, *args, **options))
        elif not self._is_known(called, owner, name):
            raise SecurityError(f"{name or type(called).__name__} can't be called in a template")
        return bound_value(super().call(context, called, *args, **options))

    def wrap_str_format(self, value: Any) -> Any:
        if super().wrap_str_format(value) is None:
            return None
        return _TextFormat(self, value.__self__, takes_mapping=value.__name__ == "format_map")

    def _is_known(self, called: Any, owner: Any, name: str) -> bool:
        if isinstance(called, LoopContext | Macro | Undefined | _TextFormat):
            return True
        if isinstance(owner, LoopContext):
            return name in ("cycle", "changed")
        return any(called is known for known in self.globals.values())


@pass_context
def _write(context: Context, value: Any) -> str:
    """The finalizer of every piece that a template writes, also into a block that it keeps."""
    if not isinstance(value, str):
        measure(value)
    text = value if isinstance(value, str) else str(value)
    WRITTEN.get().spend(len(text))
    return text


class _EscapedFields(BoundedFields, SandboxedEscapeFormatter):
    pass


class _TextFormat:
    """The method `format` or `format_map` of a text."""

    def __init__(self, environment: EarlierEnvironment, text: str, *, takes_mapping: bool) -> None:
        self._environment = environment
        self._text = text
        self._takes_mapping = takes_mapping

    def __call__(self, *args: Any, **options: Any) -> str:
        limit_size(len(self._text))
        if self._takes_mapping:
            (options,), args = args, ()
        fields = (
            _EscapedFields(self._environment, escape=self._text.escape)
            if isinstance(self._text, Markup)
            else BoundedFields(self._environment)
        )
        return type(self._text)(fields.vformat(self._text, args, options))


def render(config: Any, names: Mapping[str, Any], *, seconds: float = MAX_SECONDS) -> Any:
    """Renders every template in a config. Raises TemplateFailed or OutputTooLarge.

    A string that is one `{{ expression }}` becomes its value, with the type of the value. All
    templates of one config share the time limit of `seconds`.
    """
    with limit_time(seconds):
        return _render(config, names)


def evaluate_condition(
    expression: str, names: Mapping[str, Any], *, seconds: float = MAX_SECONDS
) -> bool:
    """Returns the truth of a `when`. An unknown name is empty, so falsy."""
    with limit_time(seconds):
        return bool(_value(expression, names))


def _render(value: Any, names: Mapping[str, Any]) -> Any:
    match value:
        case str() if is_template(value):
            return _render_text(value, names)
        case dict():
            return {key: _render(item, names) for key, item in value.items()}
        case list():
            return [_render(item, names) for item in value]
    return value


def _render_text(source: str, names: Mapping[str, Any]) -> Any:
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
def _environment() -> EarlierEnvironment:
    return EarlierEnvironment()


@functools.lru_cache(maxsize=_CACHED)
def _template(source: str) -> Any:
    _limit_source(source)
    return _environment().from_string(source)


@functools.lru_cache(maxsize=_CACHED)
def _expression(source: str) -> TemplateExpression:
    _limit_source(source)
    return _environment().compile_expression(source, undefined_to_none=True)


def _limit_source(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise errors.TemplateFailed(f"a template is longer than {MAX_SOURCE} characters")


def _failed(error: Exception) -> errors.RotaError:
    if isinstance(error, errors.RotaError):
        return error
    said = error.message if isinstance(error, TemplateError) and error.message else ""
    return errors.TemplateFailed(
        f"a template could not be rendered: {said or type(error).__name__}"
    )
