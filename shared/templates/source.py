"""Templates and expressions inside a definition: how they are read, not how they are run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.compiler import Frame

from shared.templates.compiler import TemplateCompiler
from shared.templates.environment import environment
from shared.templates.evaluation import read_expression
from shared.templates.marks import MAX_SOURCE

_GLOBALS = ("range", "dict")
_FOREIGN = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.ScopedEvalContextModifier: "autoescape",
}
# What the parser and both compilers raise: Python's own for a number or a nest that is too large.
_FAULTS = (TemplateSyntaxError, SyntaxError, RecursionError, ValueError, OverflowError, MemoryError)


class BadTemplate(ValueError):
    """Source that is no template we accept."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name a template uses, and the member of it when that is plain: `steps.news`."""

    root: str
    member: str | None


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


def template_references(source: str) -> frozenset[Reference]:
    """The outer names a template uses. Raises BadTemplate."""
    _limit(source)
    with _refusal():
        return _references(environment().parse(source))


def expression_references(source: str) -> frozenset[Reference]:
    """The outer names an expression (without braces) uses. Raises BadTemplate."""
    _limit(source)
    with _refusal():
        return _references(read_expression(source))


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
    for node in tree.find_all(tuple(_FOREIGN)):
        raise BadTemplate(f"{_FOREIGN[type(node)]} is not available")
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
