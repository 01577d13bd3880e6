"""One template or expression, compiled once and evaluated over plain names."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from shared import errors
from shared.templates.environment.template_environment import allow_hyphens, environment
from shared.templates.environment.text import read_plain, write_text
from shared.templates.faults import explain, list_paths
from shared.templates.fields import Types, fit_value
from shared.templates.marks import MAX_SOURCE
from shared.templates.sizes import MAX_RENDERED, too_large

_CACHED: Final = 512
_SHOWN: Final = 80  # characters of an expression
_LISTED: Final = 5
_RESULT: Final = "result"
# What ends soon whatever it is given, when there are few of them.
_QUICK: Final = (
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Const,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.Output,
    nodes.Assign,
    nodes.Template,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.Filter,
    nodes.Keyword,
    nodes.Concat,
)
_QUICK_FILTERS: Final = frozenset(
    {
        "count",
        "d",
        "default",
        "first",
        "join",
        "last",
        "length",
        "lower",
        "string",
        "tojson",
        "trim",
        "upper",
    }
)
_COUNTED: Final = (nodes.Filter, nodes.Operand, nodes.Test, nodes.Concat)
# So many operations of one step are done with a look at the clock only between them.
MAX_QUICK: Final = 32


class Fault(Exception):
    """Why a source has no value: `reason` is a name of ErrorReason, `line` is from 1."""

    def __init__(self, line: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A source as it runs. `weight` counts its operations; None when it must be interrupted.

    `is_value` is true of an expression, and of a text that is exactly one `{{ expression }}`.
    """

    template: Template
    tree: nodes.Template
    is_value: bool
    weight: int | None


def compile_text(source: str, hyphenated: frozenset[str]) -> CompiledTemplate:
    """Returns a text with templates, compiled. Raises Fault."""
    return _compile(source, hyphenated, False)


def compile_expression(source: str, hyphenated: frozenset[str]) -> CompiledTemplate:
    """Returns an expression, compiled, also one in braces. Raises Fault."""
    return _compile(source, hyphenated, True)


def evaluate(compiled: CompiledTemplate, names: Mapping[str, Any]) -> Any:
    """Returns the value of what `is_value`; it may be Nothing. Raises Fault."""
    context = compiled.template.new_context(dict(names))
    try:
        for _ in compiled.template.root_render_func(context):
            pass
    except Exception as error:
        raise _fault(error, compiled, names) from error
    return context.vars[_RESULT]


def fit(value: Any, types: Types, compiled: CompiledTemplate, names: Mapping[str, Any]) -> Any:
    """Returns what a source gave as JSON, and as a field of these types wants it. Raises Fault."""
    try:
        return fit_value(read_plain(value), types)
    except Exception as error:
        raise _fault(error, compiled, names) from error


def write(compiled: CompiledTemplate, names: Mapping[str, Any], most: int | None = None) -> str:
    """Returns the text that a template makes. Raises Fault.

    With `most` it ends soon after so many characters, instead of failing with a larger text.
    """
    context = compiled.template.new_context(dict(names))
    pieces, size = [], 0
    try:
        for piece in compiled.template.root_render_func(context):
            pieces.append(piece)
            size += len(piece)
            if most is not None and size > most:
                break
            if size > MAX_RENDERED:
                raise too_large()
    except Exception as error:
        raise _fault(error, compiled, names) from error
    return "".join(pieces)


def find_blank(compiled: CompiledTemplate, source: str, names: Mapping[str, Any]) -> str:
    """Returns what is empty in a text that came out empty: `inputs.a` is empty."""
    text = source.strip()
    if compiled.is_value:
        return f"`{text.strip('{}- ')[:_SHOWN]}` is empty"
    lines = range(1, source.count("\n") + 2)
    each = [found for line in lines for found in list_paths(compiled.tree, line, names)]
    empty = dict.fromkeys(path for path, value in each if write_text(value).strip() == "")
    told = ", ".join(f"`{path[:_SHOWN]}`" for path in [*empty][:_LISTED])
    return f"empty: {told}" if told else ""


@lru_cache(maxsize=_CACHED)
def _compile(source: str, hyphenated: frozenset[str], is_expression: bool) -> CompiledTemplate:
    if len(source) > MAX_SOURCE:
        message = f"it is longer than {MAX_SOURCE} characters"
        raise Fault(1, errors.TemplateFailed.reason, message)
    made = environment()
    try:
        with allow_hyphens(hyphenated):
            tree = read_expression(source) if is_expression else made.parse(source)
        lone = None if is_expression else _find_lone(tree, source)
        if lone is not None:
            tree = _hold(lone)
        template = made.from_string(tree)
    except Exception as error:
        line = error.lineno if isinstance(error, TemplateSyntaxError) else 1
        message = explain(error, nodes.Template([], lineno=1), 1, {})
        raise Fault(line, errors.TemplateFailed.reason, message) from error
    return CompiledTemplate(template, tree, is_expression or lone is not None, _weigh(tree))


def read_expression(source: str) -> nodes.Template:
    """Returns a template that holds the value of an expression, with or without braces.

    Raises what Jinja raises of a source that is none.
    """
    made = environment()
    text = source.strip()
    if text.startswith("{{"):
        tree = made.parse(source)
        if (lone := _find_lone(tree, source)) is None:
            raise TemplateSyntaxError("a condition is one expression, written without braces", 1)
        return _hold(lone)
    parser = Parser(made, source, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError(
            f"unexpected {parser.stream.current.value!r} after the expression",
            parser.stream.current.lineno,
        )
    return _hold(expression)


def _find_lone(tree: nodes.Template, source: str) -> nodes.Expr | None:
    """Returns the expression of a text that is exactly one `{{ expression }}`."""
    written = [
        node
        for output in tree.body
        for node in (output.nodes if isinstance(output, nodes.Output) else (None,))
        if not (isinstance(node, nodes.TemplateData) and not node.data.strip())
    ]
    text = source.strip()
    if len(written) != 1 or not (text.startswith("{{") and text.endswith("}}")):
        return None
    [lone] = written
    return None if lone is None or isinstance(lone, nodes.TemplateData) else lone


def _hold(expression: nodes.Expr) -> nodes.Template:
    target = nodes.Name(_RESULT, "store", lineno=expression.lineno)
    held = nodes.Assign(target, expression, lineno=expression.lineno)
    tree = nodes.Template([held], lineno=1)
    tree.set_environment(environment())
    return tree


def _weigh(tree: nodes.Template) -> int | None:
    count = 0
    level: list[nodes.Node] = [tree]
    while level:
        node = level.pop()
        if not isinstance(node, _QUICK):
            return None
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
            return None
        if isinstance(node, nodes.Filter) and node.name not in _QUICK_FILTERS:
            return None
        count += isinstance(node, _COUNTED)
        level.extend(node.iter_child_nodes())
    return count


def _fault(error: Exception, compiled: CompiledTemplate, names: Mapping[str, Any]) -> Fault:
    line = _find_line(error, compiled.template)
    reason = error.reason if isinstance(error, errors.RotaError) else errors.TemplateFailed.reason
    return Fault(line, reason, explain(error, compiled.tree, line, names))


def _find_line(error: Exception, template: Template) -> int:
    found, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found
