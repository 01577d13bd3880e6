"""Templates and expressions, as they are read."""

import pytest
from jinja2 import nodes

from shared.templates.environment import environment
from shared.templates.marks import is_template
from shared.templates.source import (
    BadTemplate,
    Reference,
    expression_references,
    template_references,
)


def test_references_are_the_outer_names_and_their_plain_members() -> None:
    source = (
        "{{ inputs.topic }} {{ steps['news'].title }} {% for i in run.x %}{{ i.y }}{% endfor %}"
    )
    assert template_references(source) == {
        Reference("inputs", None),
        Reference("inputs", "topic"),
        Reference("steps", None),
        Reference("steps", "news"),
        Reference("run", None),
        Reference("run", "x"),
    }


def test_names_set_inside_are_not_outer_names() -> None:
    assert template_references("{% set a = 1 %}{{ a }}{{ range(3) | list }}") == frozenset()


def test_an_expression_has_no_braces() -> None:
    assert expression_references("inputs.n > 3 and not steps.a") == {
        Reference("inputs", None),
        Reference("inputs", "n"),
        Reference("steps", None),
        Reference("steps", "a"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "{{ a b }}",
        "{{ a",
        "{% if %}",
        "{% if a %}",
        "{{ a | nofilter }}",
        "{{ a is notest }}",
        "{% if a %}{{ a | nofilter }}{% endif %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ a | pprint }}",
        "{{ a | random }}",
        "{{ " + "(" * 3_000 + "a" + ")" * 3_000 + " }}",
        "{{ a }}" + "x" * 8_192,
        "{{ " + "1" * 5_000 + " }}",
        "{{ 0x" + "1" * 8_000 + " }}",
        "{{ a" + ".a" * 3_000 + " }}",
        "{% for a in b %}" * 25 + "{% endfor %}" * 25,
    ],
)
def test_a_template_that_cannot_run_is_refused(source: str) -> None:
    with pytest.raises(BadTemplate):
        template_references(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "a }} {{ b",
        "{{ a }} {{ b }}",
        "{{ a }} b",
        "a b",
        "a |",
        "{% if a %}{% endif %}",
        "a | nofilter",
        "x=1",
    ],
)
def test_an_expression_that_cannot_run_is_refused(source: str) -> None:
    with pytest.raises(BadTemplate):
        expression_references(source)


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 400000000",
        "[1] * 400000000",
        "10 ** 10 ** 9",
        "'%999999999d' % 1",
        "'%999999999d' | format(1)",
        "'a' | center(400000000)",
        "'a' ~ ('a' | center(400000000))",
        "-(1 | round(10 ** 9, 'ceil'))",
        "('a' | center(400000000))[0]",
        "1 if 'a' | center(400000000) else 2",
        "('a' | center(400000000)) is string",
        "'a' | center(400000000) < 'b'",
    ],
)
def test_no_constant_is_evaluated_when_a_template_is_read(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[object] = []

    def evaluate(node: object, *_: object) -> object:
        evaluated.append(node)
        raise nodes.Impossible

    for node in (nodes.BinExpr, nodes.Concat, nodes.Filter, nodes.Test, nodes.Compare):
        monkeypatch.setattr(node, "as_const", evaluate)
    blocks = ("{% set a = E %}", "{% if E %}{% endif %}")
    for source in ("{{ E }}", "{{ [E, {'a': E}] }}", "{% for a in E %}{% endfor %}", *blocks):
        assert template_references(source.replace("E", f"({expression})")) == frozenset()
    assert expression_references(expression) == frozenset()
    assert evaluated == []


def test_plain_text_is_no_template() -> None:
    assert not is_template('{"json": {}}')
    assert is_template("{{ x }}")


def test_a_condition_may_stand_in_braces() -> None:
    assert expression_references("{{ inputs.n }}") == expression_references("inputs.n")


def test_the_environment_has_few_names() -> None:
    assert set(environment().globals) == {"range", "dict"}
