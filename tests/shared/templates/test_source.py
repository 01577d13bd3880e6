"""Templates and expressions, as they are read."""

import pytest
from jinja2 import nodes

from shared.templates.environment.template_environment import environment
from shared.templates.marks import is_template
from shared.templates.source import (
    MAX_NESTED,
    BadTemplate,
    Comparison,
    Use,
    read_condition,
    read_template,
)


def test_the_uses_of_a_template_are_the_constant_parts_of_outer_names() -> None:
    source = (
        "{{ inputs.topic }} {{ steps['news'].title[0] }}\n"
        "{% for i in run.x %}{{ i.y }}{{ steps[i].z }}{% endfor %}{{ inputs.text.upper() }}"
    )
    assert set(read_template(source).uses) == {
        Use(("inputs", "topic")),
        Use(("steps", "news", "title", 0)),
        Use(("run", "x"), 2),
        Use(("steps",), 2, more=True),
        Use(("inputs", "text"), 2, "upper"),
    }


def test_names_set_inside_are_not_outer_names() -> None:
    assert read_template("{% set a = 1 %}{{ a }}{{ range(3) | list }}").uses == ()


def test_ids_with_hyphens_are_read_as_they_are_written() -> None:
    ids = ["fetch-news", "fetch-news-2", "a-in-b", "2-x"]

    def used(source: str) -> set[tuple[object, ...]]:
        return {use.parts for use in read_condition(source, ids).uses}

    assert used("steps.fetch-news.output == steps . fetch-news-2 . output") == {
        ("steps", "fetch-news", "output"),
        ("steps", "fetch-news-2", "output"),
    }
    assert used("steps.a-in-b.output and steps.2-x.output") == {
        ("steps", "a-in-b", "output"),
        ("steps", "2-x", "output"),
    }
    assert used("steps.n-inputs.m") == {("steps", "n"), ("inputs", "m")}
    assert used("x.steps.fetch-news") == {("x", "steps", "fetch"), ("news",)}
    assert used("steps.fetch - news.output") == {("steps", "fetch"), ("news", "output")}


def test_an_expression_has_no_braces() -> None:
    reading = read_condition("inputs.n > 3 and not steps.a.b and steps.c.status in ['X', 'Y']")
    assert {use.parts for use in reading.uses} == {
        ("inputs", "n"),
        ("steps", "a", "b"),
        ("steps", "c", "status"),
    }
    status = ("steps", "c", "status")
    assert reading.comparisons == (Comparison(status, "X"), Comparison(status, "Y"))


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
        read_template(source)


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
        read_condition(source)


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
        assert read_template(source.replace("E", f"({expression})")).uses == ()
    assert read_condition(expression).uses == ()
    assert evaluated == []


def test_plain_text_is_no_template() -> None:
    assert not is_template('{"json": {}}')
    assert is_template("{{ x }}")


def test_a_condition_may_stand_in_braces() -> None:
    assert read_condition("{{ inputs.n }}") == read_condition("inputs.n")


def test_the_environment_has_few_names() -> None:
    assert set(environment().globals) == {"range", "dict"}


def nest(depth: int, inside: str = "x") -> str:
    return "{% for i in [1] %}" * depth + inside + "{% endfor %}" * depth


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (nest(MAX_NESTED + 1), "blocks inside each other"),
        ("\n" + nest(200), "line 2: more than 20 blocks"),
        ("{% if a %}" * 60 + "{% endif %}" * 60, "blocks inside each other"),
        ("{% set a %}" * 21 + "{% endset %}" * 21, "blocks inside each other"),
        ("{% filter upper %}{% with %}" * 11, "blocks inside each other"),
        ("{{ " + "[" * 41 + "]" * 41 + " }}", "brackets inside each other"),
        ("{{ " + "(" * 3_000 + "a" + ")" * 3_000 + " }}", "brackets inside each other"),
        ("{{ 1" + "<1" * 1_750 + " }}", "operations; at most 3000"),
        ("{{a}}" * 1_600, "operations; at most 3000"),
        (nest(19, "{{ i }}" * 900), "operations; at most 3000"),
    ],
)
def test_what_takes_long_to_read_is_refused_before_it_is_read(
    source: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it is read")

    monkeypatch.setattr(type(environment()), "parse", refuse)
    with pytest.raises(BadTemplate, match=words):
        read_template(source)


@pytest.mark.parametrize(
    "source",
    [
        nest(MAX_NESTED),
        nest(2) * 60,
        "{% set a = 1 %}" * 100,
        "{% for i in [1] %}{% endfor %}" * 100,
        "{% raw %}" + "{% for %}" * 100 + "{% endraw %}",
        "{# " + "{% for %}" * 100 + " #}",
        "{{ '{% for %}' }}" * 100,
        "{{ " + "[" * 40 + "]" * 40 + " }}",
        "{{ a." + "b." * 60 + "c }}",
        "x" * 8_000,
    ],
)
def test_what_is_long_and_plain_is_read(source: str) -> None:
    read_template(source)


@pytest.mark.parametrize(
    "source",
    [
        "'{{ inputs.topic }}' == 'trains'",
        '"{{steps.a.output}}" in [1]',
        "{{ '{{ inputs.topic }}' == 'trains' }}",
        "inputs.a and not ('x {{- run.id -}} y' | upper)",
        "'{{ inputs.topic | upper }}'",
    ],
)
def test_braces_in_a_text_of_a_condition_are_refused(source: str) -> None:
    with pytest.raises(BadTemplate, match=r"write it without braces and quotes: [a-z]+"):
        read_condition(source)


def test_braces_in_a_text_that_a_template_compares_are_refused() -> None:
    with pytest.raises(BadTemplate, match=r"line 2: '\{\{ inputs.x \}\}' is a text here"):
        read_template("\n{% if '{{ inputs.x }}' == 'a' %}b{% endif %}")
    for plain in (
        "{{ '{{ inputs.x }}' }}",
        "{{ inputs.a | replace('{{ inputs.x }}', 'y') }}",
        "{{ '{{' in inputs.a }}",
        "{% raw %}{{ inputs.x }}{% endraw %}",
    ):
        read_template(plain)
    for condition in ("'{{' in inputs.a", "'{{ name }}' in inputs.a", "'{}' == inputs.a"):
        read_condition(condition)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ a | map('nope') }}", "no filter named 'nope'; filters: "),
        ("{{ a | map('attr', 'b') }}", "no filter named 'attr'; filters: "),
        ("{{ a | select('match', 'A') }}", "no test named 'match'; tests: "),
        ("{{ a | reject('callable') }}", "no test named 'callable'; tests: "),
        ("{{ a | selectattr('b', 'nope', 1) }}", "no test named 'nope'; tests: "),
        ("\n{{ a | rejectattr('b', 'nope') }}", "line 2: no test named 'nope'; tests: "),
        ("{{ self }}", "'self' is not a name here"),
        ("{% if self.x %}a{% endif %}", "'self' is not a name here"),
    ],
)
def test_a_name_that_no_filter_or_test_has_is_refused_with_those_that_are(
    source: str, words: str
) -> None:
    with pytest.raises(BadTemplate) as refused:
        read_template(source)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ a | map(attribute='nope') }}",
        "{{ a | map('upper') | select('odd') | rejectattr('nope') | list }}",
        "{{ a | map(b.c) | select(b.d) }}",
        "{{ a.self }}",
    ],
)
def test_a_name_that_is_no_constant_or_no_filter_is_read(source: str) -> None:
    read_template(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ a", "line 1: `}}` is missing"),
        ("{{ a }", "line 1: unexpected `}`; `}}` is missing"),
        ("{% if a", "line 1: `%}` is missing"),
        ("{% if a }}b", "line 1: unexpected `}`; `%}` is missing"),
        ("{% if a %}b", "line 1: `{% endif %}` is missing"),
        ("{% for a in b %}{% else %}", "line 1: `{% endfor %}` is missing"),
        ("{% for a in b %}{% if a %}{% endfor %}", "`{% endfor %}`; `{% endif %}` is missing"),
        ("{% endif %}", "line 1: unexpected `{% endif %}`"),
        ("{% nope %}", "line 1: there is no tag 'nope'"),
        ("{% if a %}{% elseif b %}{% endif %}", "unexpected 'elseif'; write `elif`"),
        ("{# a", "line 1: `#}` is missing"),
        ("{% raw %}a", "line 1: `{% endraw %}` is missing"),
        ("{{ a b }}", "line 1: `}}` or an operator is missing before 'b'"),
        ("{{ (a }}", "line 1: `)` is missing before `}`"),
        ("{{ a | }}", "line 1: a name is missing before `}}`"),
        ("{{ }}", "line 1: a value is missing before `}}`"),
        ("{{ 'a }}", "line 1: the text that begins at character 4 has no end"),
        ("a\r\n{{ a && b }}", "line 2: unexpected '&&' at character 6; write `and`"),
        ("{{ a || b }}", "line 1: unexpected '||'; write `or`"),
        ("{{ !a }}", "line 1: unexpected '!' at character 4; write `not`"),
        ("{% if a = '==' %}{% endif %}", "line 1: unexpected '='; write `==`"),
        ("{{ a === b }}", "line 1: unexpected '==='; write `==`"),
        ("{{ a !== b }}", "line 1: unexpected '!=='; write `!=`"),
        ("{{ a AND b }}", "line 1: unexpected 'AND'; write `and`"),
        ("{{ NOT a }}", "line 1: unexpected 'NOT'; write `not`"),
        ("{{ a $ b }}", "line 1: unexpected '$' at character 6"),
        ("{{ a | strftime('%d') }}", "no filter named 'strftime' (did you mean date?); filters: "),
    ],
)
def test_a_fault_of_the_grammar_says_what_to_write(source: str, words: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        read_template(source)
    assert words in str(refused.value)


@pytest.mark.parametrize("end", ["", " }}", " %}", "=", "|", ")", "]", "{{", " x y"])
def test_no_fault_of_the_grammar_has_words_of_the_parser(end: str) -> None:
    whole = (
        "{% for a in b.c %}{{ a['d'] | f(1, [2, {'e': (3)}]) }}{% if a is g %}{# h #}{% endif %}"
    )
    for size in range(1, len(whole) + 1):
        with pytest.raises(BadTemplate) as refused:
            read_template(whole[:size] + end)
            raise BadTemplate  # where what is cut off was not needed
        for word in ("Jinja", "statement", "token", "of template", "print", "block", "tags"):
            assert word not in str(refused.value)
