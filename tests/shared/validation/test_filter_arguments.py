"""A filter is saved with literals that it takes in some run, and with no others."""

import pytest

from shared.templates.environment.filters import FILTERS
from shared.templates.source import read_template
from shared.validation.filter_arguments import find_argument_fault
from tests.shared.validation.test_names import faults

# Of each filter, arguments that it takes and arguments that it does not take.
TABLE: dict[str, tuple[list[str], list[str]]] = {
    "abs": ([""], ["(1)", "(x=1)"]),
    "batch": (["(2)", "(2, 'x')", "(inputs.n)"], ["('x')", "()", "(1.5)", "(2, size=3)"]),
    "capitalize": ([""], ["('x')"]),
    "center": (["", "(9)", "(width=inputs.n)"], ["('x')", "(1.5)", "(none)", "(1, 2)"]),
    "count": ([""], ["(1)"]),
    "d": (["", "(1)", "('x', true)", "(default=[])"], ["('x', 'y')", "(a=1)", "(1, true, 2)"]),
    "date": (
        ["", "('%d.%m.%Y')", "(inputs.f)", "(zone='Europe/Paris', days=-1)", "('%H %%')"],
        [
            "('%Q')",
            "('%w')",
            "('%Y%')",
            "('YYYY-MM-DD')",
            "('today')",
            "('')",
            "(1)",
            "(zone='Paris')",
            "(zone=1)",
            "(day=1)",
            "(days='1')",
            "(days=true)",
            "('%Y', format='%m')",
            "(inputs.f, zone='Nowhere')",
        ],
    ),
    "default": (["", "('x', boolean=true)"], ["('x', bool=true)", "('x', 'true')"]),
    "dictsort": (["", "(by='value')"], ["(by='x')", "('value')"]),
    "e": ([""], ["(1)"]),
    "escape": ([""], ["(1)"]),
    "filesizeformat": (["", "(true)"], ["('x')", "(2, 3)"]),
    "first": ([""], ["(1)"]),
    "float": (["", "(0.5)"], ["(1, 2)"]),
    "forceescape": ([""], ["(1)"]),
    "format": (["('x')", "(a=1)", "(1, 2, 3)"], []),
    "groupby": (["('a')", "(attribute='a')"], ["", "('a', 1, 'x')", "(by='a')"]),
    "indent": (["", "(2)", "('> ', true)"], ["([1])", "(2, 'x')", "(size=2)"]),
    "int": (["", "(0, 16)"], ["(base='x')", "(base=99)"]),
    "items": ([""], ["(1)"]),
    "join": (["", "(', ')", "(attribute='a')"], ["(sep=',')", "(1, 'a', 2)"]),
    "last": ([""], ["(1)"]),
    "length": ([""], ["(1)"]),
    "list": ([""], ["(1)"]),
    "lower": ([""], ["(1)"]),
    "map": (["('upper')", "(attribute='a')", "('truncate', 9)"], ["('truncate', 'x')"]),
    "max": (["", "(attribute='a')"], ["('a')", "(by='a')"]),
    "min": (["", "(attribute='a')"], ["('a')", "(by='a')"]),
    "regex_replace": (
        ["('a', 'b')", "('(a)', '\\\\1')", "(inputs.p, 'x')", "('a')", "('a', 'b', 2)"],
        ["('(', 'x')", "('(?=a)', 'x')", "('a', '\\\\1')", "(1, 'x')", "('a', 'b', 'c')", ""],
    ),
    "reject": (["('odd')"], []),
    "rejectattr": (["('a', 'gt', 1)"], []),
    "replace": (["('a', 'b')", "(1, 2)", "('a', 'b', 1)"], ["('a')", "('a', 'b', 'c')"]),
    "reverse": ([""], ["(1)"]),
    "round": (["", "(1)", "(1, 'ceil')"], ["('x')", "(1, 'up')", "(1.5)"]),
    "safe": ([""], ["(1)"]),
    "select": (["('odd')"], []),
    "selectattr": (["('a', 'gt', 1)"], []),
    "slice": (["(2)", "(2, 'x')"], ["(0)", "('x')", ""]),
    "slugify": (["", "('_')"], ["('a', 'b')"]),
    "sort": (["", "(attribute='a')", "(true)"], ["('a')", "(key='a')"]),
    "string": ([""], ["(1)"]),
    "striptags": ([""], ["(1)"]),
    "sum": (["", "('a')", "(start=1)"], ["(by='a')"]),
    "title": ([""], ["(1)"]),
    "tojson": (["", "(2)"], ["(2, 3)"]),
    "trim": (["", "('x')"], ["(5)", "('x', 'y')"]),
    "truncate": (["", "(9)", "(9, true, '')"], ["('x')", "(9, 'x')", "(-1)", "(0)", "(len=9)"]),
    "unique": (["", "(attribute='a')"], ["('a')"]),
    "upper": ([""], ["('x')"]),
    "urlencode": ([""], ["(1)"]),
    "wordcount": ([""], ["(1)"]),
    "wordwrap": (["", "(9)"], ["(0)", "('x')", "(9, 'x')", "(9, true, 3)"]),
}


def refused(written: str) -> list[str]:
    reading = read_template(f"{{{{ inputs.v | {written} }}}}")
    return [found for found in map(find_argument_fault, reading.filters) if found is not None]


def test_the_table_has_every_filter() -> None:
    assert TABLE.keys() == FILTERS.keys()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_filter_takes_the_literals_that_fit_it_and_no_others(name: str) -> None:
    right, wrong = TABLE[name]
    assert {given: refused(name + given) for given in right} == {given: [] for given in right}
    assert [given for given in wrong if not refused(name + given)] == []


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            "date('YYYY-MM-DD')",
            "`date`: the form 'YYYY-MM-DD' has no `%`; write one such as '%Y-%m-%d'",
        ),
        ("date('today')", "write one such as '%Y-%m-%d'"),
        ("date('%Q')", "`date`: a date has no form %Q; forms: "),
        ("date(zone='Paris')", "`date`: unknown time zone 'Paris'; write Europe/Paris"),
        ("date(day=1)", "`date` has no argument `day` (did you mean `days`?); arguments: format"),
        ("upper('x')", "`upper` takes no arguments"),
        ("replace('a')", "`replace` needs its argument `new`"),
        ("truncate('x')", "`truncate`: `length` is a whole number, not a text"),
        ("sort('age')", "`sort`: `reverse` is true or false, not a text"),
        ("map('truncate', 'x')", "`truncate`: `length` is a whole number"),
        ("regex_replace('(', 'x')", "`regex_replace`: the pattern '(' is none that RE2 reads"),
        ("regex_replace('a', '\\\\1')", "`regex_replace`: the pattern has no group 1"),
    ],
)
def test_what_a_filter_does_not_take_is_said(written: str, words: str) -> None:
    (said,) = refused(written)
    assert words in said


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ run.local_date | date('DD.MM.YY') }}", "'%d.%m.%y'"),
        ("a\n{% filter upper('x') %}a{% endfilter %}", "line 2: `upper` takes no arguments"),
        (
            "{{ run.local_time | date }}",
            "is a time, which `date` does not take; write run.slot_",
        ),
        ("{{ previous.local_time | date }}", "write previous.slot_time | date('%H:%M')"),
        ("{{ run.name | date }}", "run.name is a name, which `date` does not take"),
        (
            "{{ inputs['max-items'] | date }}",
            "inputs['max-items'] is a number, which `date` does not take",
        ),
        (
            "{{ inputs.page.size > 'x' }}",
            "inputs.page.size is a number; `>` can't compare it with a",
        ),
        ("{{ 3 <= inputs.topic }}", "inputs.topic is a text; `<=` can't compare it with a number"),
        ("{{ run.local_time >= 9 }}", "run.local_time is a text; `>=` can't compare it with a num"),
        ("{{ inputs.free < 3 }}", "inputs.free is an object; `<` can't compare it with a number"),
    ],
)
def test_a_name_of_a_known_type_is_given_to_what_takes_it(source: str, words: str) -> None:
    (fault,) = faults(source)
    assert words in fault


@pytest.mark.parametrize(
    "source",
    [
        "{{ run.slot_time | date }} {{ inputs.fired_at | date }} {{ inputs.topic | date }}",
        "{{ steps.judge.started_at | date('%H:%M') }} {{ steps.news.items | date }}",
        "{{ inputs.page.size > 3 }} {{ inputs.topic < 'x' }} {{ run.local_time < '12:00' }}",
        "{{ inputs.free.any > 3 }} {{ 1 < inputs.page.size < 3 }} {{ inputs.topic > inputs.free }}",
    ],
)
def test_what_may_be_of_another_type_is_left_to_the_run(source: str) -> None:
    assert [each for each in faults(source) if "items is a list" not in each] == []
