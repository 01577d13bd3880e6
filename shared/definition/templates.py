"""Templates and expressions inside a definition: how they are read, not how they are run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import ChainableUndefined, Environment, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 8_192  # characters
_GLOBALS = ("range", "dict")
_MARKS = ("{{", "{%", "{#")
_FOREIGN = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block, nodes.Macro)
# What the parser and both compilers raise: Python's own for a number or a nest that is too large.
_FAULTS = (TemplateSyntaxError, SyntaxError, RecursionError, ValueError, OverflowError, MemoryError)


class BadTemplate(ValueError):
    """Source that is no template we accept."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name a template uses, and the member of it when that is plain: `steps.news`."""

    root: str
    member: str | None


class TemplateCompiler(CodeGenerator):
    """Compiles a template and evaluates no expression of it, constant or not."""

    def __init__(self, environment: Environment, *args: Any, **options: Any) -> None:
        super().__init__(environment, *args, **options)
        self.optimizer = None

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:  # noqa: N802
        for option in node.options:
            self.writeline(f"context.eval_ctx.{option.key} = ")
            self.visit(option.value, frame)
            if isinstance(option.value, nodes.Const):
                setattr(frame.eval_ctx, option.key, option.value.value)
            else:
                frame.eval_ctx.volatile = True


class _NameCollector(TemplateCompiler):
    """Finds undeclared names as jinja2.meta does, whose own collector evaluates constants."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment, "<names>", "<names>")
        self.found: set[str] = set()

    def write(self, x: str) -> None:
        pass

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        for action, name in frame.symbols.loads.values():
            if action == "resolve" and name is not None:
                self.found.add(name)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    code_generator_class = TemplateCompiler


@cache
def environment() -> TemplateEnvironment:
    """The environment that definitions are checked in. Missing names are empty."""
    made = TemplateEnvironment(
        undefined=ChainableUndefined, keep_trailing_newline=True, autoescape=False
    )
    made.globals = {name: made.globals[name] for name in _GLOBALS}
    return made


def is_template(text: str) -> bool:
    return any(mark in text for mark in _MARKS)


def template_references(source: str) -> frozenset[Reference]:
    """The outer names a template uses. Raises BadTemplate."""
    _limit(source)
    with _refusal():
        return _references(environment().parse(source))


def expression_references(source: str) -> frozenset[Reference]:
    """The outer names an expression (without braces) uses. Raises BadTemplate."""
    _limit(source)
    with _refusal():
        parser = Parser(environment(), source, state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            raise BadTemplate(f"unexpected {parser.stream.current.value!r} after the expression")
        tree = nodes.Template([nodes.Output([expression], lineno=1)], lineno=1)
        tree.set_environment(environment())
        return _references(tree)


@contextmanager
def _refusal() -> Iterator[None]:
    """Raises BadTemplate for every fault of a parser or compiler."""
    try:
        yield
    except BadTemplate:
        raise
    except _FAULTS as exc:
        raise BadTemplate(_problem(exc)) from exc


def _limit(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise BadTemplate(f"longer than {MAX_SOURCE} characters")


def _references(tree: nodes.Template) -> frozenset[Reference]:
    env = environment()
    for node in tree.find_all(_FOREIGN):
        raise BadTemplate(f"{type(node).__name__.lower()} is not available")
    for filter_ in tree.find_all(nodes.Filter):
        if filter_.name not in env.filters:
            raise BadTemplate(f"no filter named {filter_.name!r}")
    for test in tree.find_all(nodes.Test):
        if test.name not in env.tests:
            raise BadTemplate(f"no test named {test.name!r}")
    names = _NameCollector(env)
    names.visit(tree)
    roots = names.found - set(_GLOBALS)
    env.compile(tree)
    members = frozenset(_members(tree, roots))
    return members | {Reference(root, None) for root in roots}


def _members(tree: nodes.Template, roots: set[str]) -> Iterator[Reference]:
    for plain in tree.find_all(nodes.Getattr):
        if isinstance(plain.node, nodes.Name) and plain.node.name in roots:
            yield Reference(plain.node.name, plain.attr)
    for item in tree.find_all(nodes.Getitem):
        if not isinstance(item.node, nodes.Name) or item.node.name not in roots:
            continue
        if isinstance(item.arg, nodes.Const):
            yield Reference(item.node.name, str(item.arg.value))


def _problem(exc: Exception) -> str:
    if isinstance(exc, TemplateSyntaxError):
        return f"line {exc.lineno}: {exc.message}"
    if isinstance(exc, ValueError):
        return "a number has too many digits"
    return "nested too deeply"
