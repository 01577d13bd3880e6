"""Templates and expressions inside a definition: how they are read, not how they are run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.compiler import Frame

from shared.templates.environment.compiler import TemplateCompiler
from shared.templates.environment.template_environment import allow_hyphens, environment
from shared.templates.evaluation import read_expression
from shared.templates.faults import explain_syntax, find_near
from shared.templates.marks import MAX_SOURCE

# To read a template takes Jinja at most thirty microseconds for each of its operations.
MAX_OPERATIONS: Final = 3_000
MAX_NESTED: Final = 20  # blocks: each operation takes longer with each block around it
MAX_BRACKETS: Final = 40
_EMPTY_COST: Final = 14  # of reading any template, in operations
_BLOCKS: Final = frozenset({"for", "if", "set", "filter", "with"})
_UNCOUNTED: Final = frozenset({"data", "whitespace", "comment", "comment_begin", "comment_end"})
_OPENED: Final = frozenset("([{")
_CLOSED: Final = frozenset(")]}")
# A template in a text of an expression, where its names do not count.
_BRACES: Final = re.compile(
    r"\{\{-?\s*((?:inputs|steps|run|trigger|previous|error)\b[^{}]*?)\s*-?\}\}"
)
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
# Filters of other languages, without underscores, and their counterparts.
_FOREIGN_FILTERS: Final = {
    "dateformat": "date",
    "datetime": "date",
    "datetimeformat": "date",
    "formatdate": "date",
    "strftime": "date",
    "timestamp": "date",
    "json": "tojson",
    "len": "length",
    "lowercase": "lower",
    "regexsub": "regex_replace",
    "size": "length",
    "slug": "slugify",
    "str": "string",
    "strip": "trim",
    "uppercase": "upper",
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
# The filters that take the name of another, or of a test, and its place.
_INSIDE: Final = {
    "map": ("filter", 0),
    "reject": ("test", 0),
    "rejectattr": ("test", 1),
    "select": ("test", 0),
    "selectattr": ("test", 1),
}
_EQUAL: Final = ("eq", "ne")
_LISTED: Final = ("in", "notin")
_ORDER: Final = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}

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


class Unknown:
    """Stands for a value that is known in a run only."""


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class FilterUse:
    """A filter, with the arguments that it is given as far as they are literals.

    `parts` are those of the name of the run that it is given, and empty for another value.
    """

    name: str
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    parts: tuple[Part, ...]
    line: int = 1


@dataclass(frozen=True, slots=True)
class OrderComparison:
    """A name of the run that a template compares with a literal by `<`, `<=`, `>` or `>=`."""

    parts: tuple[Part, ...]
    operator: str
    literal: Any
    line: int = 1


@dataclass(frozen=True, slots=True)
class TemplateReferences:
    """What a template names, each once."""

    uses: tuple[Use, ...]
    comparisons: tuple[Comparison, ...]
    filters: tuple[FilterUse, ...] = ()
    orderings: tuple[OrderComparison, ...] = ()


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
) -> TemplateReferences:
    """Returns what a text with templates names. Raises BadTemplate.

    `hyphenated` has the step ids with a hyphen, and `names` the names of all steps.
    """
    _limit(source, source)
    with _refusal(source), allow_hyphens(hyphenated, names):
        tree = environment().parse(source)
        for compared in tree.find_all(nodes.Compare):
            _refuse_braces(compared)
        return _read(tree)


def read_condition(
    source: str, hyphenated: Iterable[str] = (), names: Iterable[str] = ()
) -> TemplateReferences:
    """Returns what an expression names, which may stand in braces. Raises BadTemplate."""
    _limit(source, write_condition(source))
    with _refusal(source), allow_hyphens(hyphenated, names):
        tree = read_expression(source)
        _refuse_braces(tree)
        return _read(tree)


def write_condition(source: str) -> str:
    """Returns a condition as a template, as far as its operations are counted."""
    return source if source.lstrip().startswith("{{") else "{{" + source


def count_operations(source: str) -> int:
    """Returns the operations of a template, by its words alone.

    One inside of blocks counts more, as it takes longer to read. Raises BadTemplate for blocks
    or brackets that are nested deeper than a template may be.
    """
    walk = _Words()
    try:
        for line, kind, word in environment().lexer.tokeniter(source, None):
            if kind not in _UNCOUNTED:
                walk.visit(line, kind, word)
    except TemplateSyntaxError:
        pass  # told where the template is read
    return walk.cost // 8


def list_members(source: str, name: str) -> set[tuple[str, ...]]:
    """Returns what a template may name of a name of the run, by its words alone.

    Each is the first two members, as far as they are written out: `steps.get` of
    `name.steps.get.output`. An id with hyphens has all that stands at them: `get-it-1`.
    """
    words = []
    try:
        for _, kind, word in environment().lexer.tokeniter(source, None):
            if kind not in _UNCOUNTED and word not in ("(", ")"):
                words.append((kind, word))
    except TemplateSyntaxError:
        pass  # told where the template is rendered
    starts = (
        at + 1
        for at, word in enumerate(words)
        if word == ("name", name) and words[at - 1 : at] != [("operator", ".")]
    )
    return {tuple(_read_members(words, start)) for start in starts}


def _read_members(words: list[tuple[str, str]], at: int) -> Iterator[str]:
    for _ in range(2):
        match words[at : at + 2]:
            case [("operator", "."), ("name" | "integer" | "float", member)]:
                at += 2
                while words[at : at + 1] == [("operator", "-")] and at + 1 < len(words):
                    member += f"-{words[at + 1][1]}"
                    at += 2
                yield member
            case [("operator", "["), ("string", quoted)]:
                at += 3
                yield quoted[1:-1]
            case _:
                return


@dataclass(slots=True)
class _Words:
    """Counts the words of a template, and how deep they are."""

    cost: int = _EMPTY_COST * 8  # in eighths
    blocks: int = 0
    brackets: int = 0
    tag: str | None = None  # the first word of the block tag that is read
    first: bool = False
    assigned: bool = False

    def visit(self, line: int, kind: str, word: str) -> None:
        self.cost += 8 + self.blocks
        if kind == "block_begin":
            self.tag, self.first, self.assigned = "", True, False
        elif kind == "block_end":
            self._end_tag(line)
        elif self.first:
            self.tag, self.first = word, False
        elif kind == "operator":
            self._count_brackets(line, word)

    def _end_tag(self, line: int) -> None:
        tag, self.tag = self.tag or "", None
        if tag.startswith("end"):
            self.blocks = max(self.blocks - 1, 0)
        elif tag in _BLOCKS and not (tag == "set" and self.assigned):
            self.blocks += 1
        if self.blocks > MAX_NESTED:
            raise BadTemplate(f"line {line}: more than {MAX_NESTED} blocks inside each other")

    def _count_brackets(self, line: int, word: str) -> None:
        if word in _OPENED:
            self.brackets += 1
        elif word in _CLOSED:
            self.brackets = max(self.brackets - 1, 0)
        elif word == "=" and not self.brackets:
            self.assigned = True
        if self.brackets > MAX_BRACKETS:
            raise BadTemplate(f"line {line}: more than {MAX_BRACKETS} brackets inside each other")


def _refuse_braces(tree: nodes.Node) -> None:
    """Raises BadTemplate for a template in a text of an expression: a text it stays."""
    for text in tree.find_all(nodes.Const):
        if isinstance(text.value, str) and (found := _BRACES.search(text.value)):
            raise BadTemplate(
                f"line {text.lineno}: {found[0][:80]!r} is a text here, not the value; "
                f"write it without braces and quotes: {found[1][:80]}"
            )


@contextmanager
def _refusal(source: str) -> Iterator[None]:
    """Raises BadTemplate for every fault of a parser or compiler."""
    try:
        yield
    except BadTemplate:
        raise
    except _FAULTS as exc:
        raise BadTemplate(_problem(exc, source)) from exc


def _limit(source: str, template: str) -> None:
    if len(source) > MAX_SOURCE:
        raise BadTemplate(f"longer than {MAX_SOURCE} characters")
    if (count := count_operations(template)) > MAX_OPERATIONS:
        raise BadTemplate(f"{count} operations; at most {MAX_OPERATIONS}")


def _read(tree: nodes.Template) -> TemplateReferences:
    env = environment()
    for node in tree.find_all(tuple(_FOREIGN)):
        raise BadTemplate(f"line {node.lineno}: {_FOREIGN[type(node)]} is not available")
    for filter_ in tree.find_all(nodes.Filter):
        if filter_.name not in env.filters:
            raise BadTemplate(_unknown("filter", filter_.name, env.filters, filter_.lineno))
        for kind, name in _name_inside(filter_):
            known = env.filters if kind == "filter" else env.tests
            if name not in known:
                raise BadTemplate(_unknown(kind, name, known, filter_.lineno))
    for test in tree.find_all(nodes.Test):
        if test.name not in env.tests:
            raise BadTemplate(_unknown("test", test.name, env.tests, test.lineno))
    for named in tree.find_all(nodes.Name):
        if named.name == "self":  # a name of Jinja's own
            raise BadTemplate(f"line {named.lineno}: 'self' is not a name here")
    names = _NameCollector(env)
    names.visit(tree)
    walk = _Walk(names.found - set(_GLOBALS))
    walk.visit(tree)
    env.compile(tree)
    return TemplateReferences(
        tuple(dict.fromkeys(walk.uses)),
        tuple(dict.fromkeys(walk.comparisons)),
        tuple(walk.filters),
        tuple(walk.orderings),
    )


def _name_inside(filter_: nodes.Filter) -> Iterator[tuple[str, str]]:
    """Yields the filter or test that a filter is told by a constant name, with its kind."""
    kind, place = _INSIDE.get(filter_.name, ("", 0))
    if not kind or len(filter_.args) <= place:
        return
    match filter_.args[place]:
        case nodes.Const(value=str(name)):
            yield kind, name


def _unknown(kind: str, name: str, known: Iterable[str], line: int) -> str:
    meant = _FOREIGN_FILTERS.get(name.lower().replace("_", "")) if kind == "filter" else None
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"line {line}: no {kind} named {name!r}{hint}; {kind}s: {find_near(name, known)[1]}"


@dataclass(slots=True)
class _Walk:
    """Collects the uses of some names in a tree."""

    roots: set[str]
    uses: list[Use] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    filters: list[FilterUse] = field(default_factory=list)
    orderings: list[OrderComparison] = field(default_factory=list)

    def visit(self, node: nodes.Node) -> None:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                self._visit_chain(node)
            case nodes.Call(node=nodes.Getattr(node=owner, attr=method)):
                self._visit_chain(owner, called=method)
                for argument in (*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs):
                    if argument is not None:
                        self.visit(argument)
            case nodes.Filter():
                self._filter(node)
                self._visit_children(node)
            case nodes.Compare():
                self._compare(node)
                self._order(node)
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

    def _filter(self, node: nodes.Filter) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            return
        args = tuple(map(_read_literal, node.args))
        options = {str(pair.key): _read_literal(pair.value) for pair in node.kwargs}
        parts = self._parts_of(node.node)
        self.filters.append(FilterUse(node.name, args, options, parts, node.lineno))
        if node.name == "map" and args and isinstance(args[0], str):
            self.filters.append(FilterUse(args[0], args[1:], options, (), node.lineno))

    def _order(self, node: nodes.Compare) -> None:
        left: nodes.Node = node.expr
        for operand in node.ops:
            if (sign := _ORDER.get(operand.op)) is not None:
                for named, other in ((left, operand.expr), (operand.expr, left)):
                    parts, literal = self._parts_of(named), _read_literal(other)
                    if parts and literal is not UNKNOWN:
                        self.orderings.append(OrderComparison(parts, sign, literal, node.lineno))
            left = operand.expr

    def _parts_of(self, node: nodes.Node | None) -> tuple[Part, ...]:
        """Returns the parts of a whole name of the run, or none for another expression."""
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            return ()
        walk = _Walk(self.roots)
        walk._visit_chain(node)
        return walk.uses[0].parts if len(walk.uses) == 1 and not walk.uses[0].more else ()

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


def _read_literal(node: nodes.Node) -> Any:
    """Returns the value of a literal, or UNKNOWN."""
    match node:
        case nodes.Const(value=value):
            return value
        case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
            return -value
        case nodes.List(items=items) | nodes.Tuple(items=items):
            each = [_read_literal(item) for item in items]
            return UNKNOWN if UNKNOWN in each else each
    return UNKNOWN


def _problem(exc: Exception, source: str) -> str:
    if isinstance(exc, TemplateSyntaxError):
        return f"line {exc.lineno}: {explain_syntax(exc.message or '', exc.lineno, source)}"
    if isinstance(exc, ValueError):
        return "a number has too many digits"
    return "nested too deeply"
