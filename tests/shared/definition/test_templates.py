"""Templates and expressions, as they are read."""

import pytest

from shared.definition.templates import (
    BadTemplate,
    Reference,
    environment,
    expression_references,
    is_template,
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
        "{{ " + "(" * 3_000 + "a" + ")" * 3_000 + " }}",
        "{{ a }}" + "x" * 8_192,
    ],
)
def test_a_template_that_cannot_run_is_refused(source: str) -> None:
    with pytest.raises(BadTemplate):
        template_references(source)


@pytest.mark.parametrize(
    "source", ["", "a }} {{ b", "a b", "a |", "{{ a }}", "a | nofilter", "x=1"]
)
def test_an_expression_that_cannot_run_is_refused(source: str) -> None:
    with pytest.raises(BadTemplate):
        expression_references(source)


def test_plain_text_is_no_template() -> None:
    assert not is_template('{"json": {}}')
    assert is_template("{{ x }}")


def test_the_environment_is_sandboxed_and_missing_names_are_empty() -> None:
    env = environment()
    assert env.from_string("[{{ missing.deeper.still }}]").render() == "[]"
    assert env.from_string("{{ ''.__class__.__mro__ }}").render() == ""
    assert set(env.globals) == {"range", "dict"}
