"""Templates and expressions inside a definition: how they are read, not how they are run."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from jinja2 import ChainableUndefined, TemplateSyntaxError, meta, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 8_192  # characters
_GLOBALS = ("range", "dict")
_MARKS = ("{{", "{%", "{#")
_FOREIGN = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block, nodes.Macro)


class BadTemplate(ValueError):
    """Source that is no template we accept."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name a template uses, and the member of it when that is plain: `steps.news`."""

    root: str
    member: str | None


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The one environment definitions are checked and rendered in. Missing names are empty."""
    made = ImmutableSandboxedEnvironment(
        undefined=ChainableUndefined, keep_trailing_newline=True, autoescape=False
    )
    made.globals = {name: made.globals[name] for name in _GLOBALS}
    return made


def is_template(text: str) -> bool:
    return any(mark in text for mark in _MARKS)


def template_references(source: str) -> frozenset[Reference]:
    """The outer names a template uses. Raises BadTemplate."""
    _limit(source)
    try:
        tree = environment().parse(source)
    except (TemplateSyntaxError, RecursionError) as exc:
        raise BadTemplate(_problem(exc)) from exc
    return _references(tree)


def expression_references(source: str) -> frozenset[Reference]:
    """The outer names an expression (without braces) uses. Raises BadTemplate."""
    _limit(source)
    try:
        parser = Parser(environment(), source, state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            raise BadTemplate(f"unexpected {parser.stream.current.value!r} after the expression")
    except (TemplateSyntaxError, RecursionError) as exc:
        raise BadTemplate(_problem(exc)) from exc
    tree = nodes.Template([nodes.Output([expression], lineno=1)], lineno=1)
    tree.set_environment(environment())
    return _references(tree)


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
    try:
        roots = meta.find_undeclared_variables(tree) - set(_GLOBALS)
        env.compile(tree)
    except (TemplateSyntaxError, RecursionError) as exc:
        raise BadTemplate(_problem(exc)) from exc
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
    return "nested too deeply"
