"""Templates and expressions inside a definition: how they are read, not how they are run."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.compiler import Frame

from shared.templates.compiler import TemplateCompiler
from shared.templates.environment import environment, naming
from shared.templates.evaluation import read_expression
from shared.templates.marks import MAX_SOURCE

_GLOBALS: Final = ("range", "dict")
_FOREIGN: Final = {
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
_FAULTS: Final = (
    TemplateSyntaxError,
    SyntaxError,
    RecursionError,
    ValueError,
    OverflowError,
    MemoryError,
)
_EQUAL: Final = ("eq", "ne")
_LISTED: Final = ("in", "notin")

Part = str | int


class BadTemplate(ValueError):
    """Source that is no template we accept."""


@dataclass(frozen=True, slots=True)
class Use:
    """A name of the run that a template uses: `steps.news.output` has three parts.

    The parts are as many as are constant. `called` is the method that is called on them, and
    `more` says that a member follows which is known in a run only.
    """

    parts: tuple[Part, ...]
    line: int = 1
    called: str = ""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A name of the run that a template compares with a text."""

    parts: tuple[Part, ...]
    text: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What a template names, each once."""

    uses: tuple[Use, ...]
    comparisons: tuple[Comparison, ...]


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


def read_template(
    source: str, hyphenated: Iterable[str] = (), names: Iterable[str] = ()
) -> Reading:
    """Returns what a text with templates names. Raises BadTemplate.

    `hyphenated` has the step ids with a hyphen, and `names` the names of all steps.
    """
    _limit(source)
    with _refusal(), naming(hyphenated, names):
        return _read(environment().parse(source))


def read_condition(
    source: str, hyphenated: Iterable[str] = (), names: Iterable[str] = ()
) -> Reading:
    """Returns what an expression names, which may stand in braces. Raises BadTemplate."""
    _limit(source)
    with _refusal(), naming(hyphenated, names):
        return _read(read_expression(source))


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


def _read(tree: nodes.Template) -> Reading:
    env = environment()
    for node in tree.find_all(tuple(_FOREIGN)):
        raise BadTemplate(f"line {node.lineno}: {_FOREIGN[type(node)]} is not available")
    for filter_ in tree.find_all(nodes.Filter):
        if filter_.name not in env.filters:
            raise BadTemplate(_unknown("filter", filter_.name, env.filters, filter_.lineno))
    for test in tree.find_all(nodes.Test):
        if test.name not in env.tests:
            raise BadTemplate(_unknown("test", test.name, env.tests, test.lineno))
    names = _NameCollector(env)
    names.visit(tree)
    walk = _Walk(names.found - set(_GLOBALS))
    walk.visit(tree)
    env.compile(tree)
    return Reading(tuple(dict.fromkeys(walk.uses)), tuple(dict.fromkeys(walk.comparisons)))


def _unknown(kind: str, name: str, known: Iterable[str], line: int) -> str:
    return f"line {line}: no {kind} named {name!r}; {kind}s: {', '.join(sorted(known))}"


@dataclass(slots=True)
class _Walk:
    """Collects the uses of some names in a tree."""

    roots: set[str]
    uses: list[Use] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def visit(self, node: nodes.Node) -> None:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                self._visit_chain(node)
            case nodes.Call(node=nodes.Getattr(node=owner, attr=method)):
                self._visit_chain(owner, called=method)
                for argument in (*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs):
                    if argument is not None:
                        self.visit(argument)
            case nodes.Compare():
                self._compare(node)
                self._visit_children(node)
            case _:
                self._visit_children(node)

    def _visit_children(self, node: nodes.Node) -> None:
        for child in node.iter_child_nodes():
            self.visit(child)

    def _visit_chain(self, node: nodes.Node, called: str = "") -> None:
        chain = []
        inner = node
        while isinstance(inner, nodes.Getattr | nodes.Getitem):
            chain.append(inner)
            if isinstance(inner, nodes.Getitem) and not isinstance(inner.arg, nodes.Const):
                self.visit(inner.arg)
            inner = inner.node
        if not isinstance(inner, nodes.Name):
            self.visit(inner)
            return
        if inner.ctx != "load" or inner.name not in self.roots:
            return
        parts: list[Part] = [inner.name]
        for each in reversed(chain):
            if isinstance(each, nodes.Getattr):
                parts.append(each.attr)
            elif isinstance(each.arg, nodes.Const) and isinstance(each.arg.value, str | int):
                parts.append(each.arg.value)
            else:
                self.uses.append(Use(tuple(parts), inner.lineno, more=True))
                return
        self.uses.append(Use(tuple(parts), inner.lineno, called))

    def _compare(self, node: nodes.Compare) -> None:
        for operand in node.ops:
            given: list[nodes.Node] = []
            if operand.op in _EQUAL:
                given = [operand.expr]
            elif operand.op in _LISTED and isinstance(operand.expr, nodes.List | nodes.Tuple):
                given = list(operand.expr.items)
            self._compare_all(node.expr, given)
            if operand.op in _EQUAL:
                self._compare_all(operand.expr, [node.expr])

    def _compare_all(self, named: nodes.Node, given: list[nodes.Node]) -> None:
        before = len(self.uses)
        if isinstance(named, nodes.Getattr | nodes.Getitem):
            self._visit_chain(named)
        for use in self.uses[before:][-1:]:
            for each in given:
                if isinstance(each, nodes.Const) and isinstance(each.value, str) and not use.more:
                    self.comparisons.append(Comparison(use.parts, each.value, use.line))


def _problem(exc: Exception) -> str:
    if isinstance(exc, TemplateSyntaxError):
        return f"line {exc.lineno}: {exc.message}"
    if isinstance(exc, ValueError):
        return "a number has too many digits"
    return "nested too deeply"
