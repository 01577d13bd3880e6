"""What a template prints is what a condition, an equation, a length and a place see."""

import json
from typing import Any

import pytest

from shared.templates.environment.filters import FILTERS
from tests.shared.templates.render import TEXT, holds, render

NAMES: dict[str, Any] = {
    "inputs": {
        "names": ["Ada", "Grace"],
        "people": [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}],
        "page": {"size": 10, "items": ["a", "b"]},
        "ages": {"b": 2, "a": 1},
        "text": "Zug & Schiff",
        "on": True,
        "n": 3,
        "nothing": None,
    },
    "steps": {
        "one": {"output": "eins", "status": "SUCCEEDED"},
        "two": {"output": ["a"], "status": "SKIPPED"},
    },
    "run": {"time_zone": "UTC"},
}
OUTPUTS = {"first": "one", "items": "two"}
# Of each filter, expressions that it ends.
FILTERED: dict[str, list[str]] = {
    "abs": ["(-3) | abs"],
    "batch": ["inputs.names | batch(1)", "[] | batch(2)"],
    "capitalize": ["inputs.text | capitalize"],
    "center": ["inputs.on | center(9)"],
    "count": ["inputs.names | count", "none | count"],
    "d": ["inputs.nothing | d(inputs.names)"],
    "date": ["'2026-11-23' | date"],
    "default": ["inputs.people | selectattr('age', 'gt', 99) | default('none', true)"],
    "dictsort": ["inputs.page | dictsort", "{} | dictsort"],
    "e": ["inputs.text | e"],
    "escape": ["inputs.names | escape"],
    "filesizeformat": ["2500 | filesizeformat"],
    "first": ["inputs.names | first", "inputs.ages.items() | first"],
    "float": ["'1.5' | float", "inputs.nothing | float"],
    "forceescape": ["inputs.text | forceescape"],
    "format": ["'%s' | format(inputs.names)", "inputs.on | format"],
    "groupby": ["inputs.people | groupby('age')", "[] | groupby('age')"],
    "indent": ["inputs.page | indent"],
    "int": ["'7' | int", "none | int"],
    "items": ["inputs.page | items", "{} | items", "inputs.nothing | items"],
    "join": ["inputs.people | map(attribute='name') | join"],
    "last": ["inputs.people | selectattr('age') | last", "inputs.names | reverse | last"],
    "length": ["inputs.people | selectattr('age', 'gt', 99) | length", "inputs.page | length"],
    "list": ["'' | list", "inputs.page | list"],
    "lower": ["inputs.on | lower"],
    "map": ["inputs.people | map(attribute='name')", "[] | map('upper')",
            "inputs.people | map('items')", "['ab'] | map('list')",
            "inputs.people | map(attribute='x')"],
    "max": ["inputs.names | max"],
    "min": ["[[2], [1]] | min"],
    "regex_replace": ["inputs.names | regex_replace('A', 'B')"],
    "reject": ["[1, 2] | reject('odd')", "[] | reject"],
    "rejectattr": ["inputs.people | rejectattr('age')"],
    "replace": ["inputs.on | replace('t', true)"],
    "reverse": ["inputs.names | reverse", "'ab' | reverse", "[] | reverse"],
    "round": ["2.5 | round"],
    "safe": ["inputs.page | safe"],
    "select": ["[0] | select", "[0, 1] | select"],
    "selectattr": ["inputs.people | selectattr('age', 'gt', 99)"],
    "slice": ["inputs.names | slice(2)", "[] | slice(1)"],
    "slugify": ["inputs.text | slugify"],
    "sort": ["inputs.names | sort", "inputs.ages.items() | sort"],
    "string": ["inputs.names | string"],
    "striptags": ["inputs.page | striptags"],
    "sum": ["[1, 2] | sum", "[[1], [2]] | sum(start=[])"],
    "title": ["inputs.on | title"],
    "tojson": ["inputs.people | map(attribute='name') | tojson"],
    "trim": ["inputs.page | trim"],
    "truncate": ["inputs.page | truncate(9)"],
    "unique": ["inputs.names | unique", "inputs.people | unique", "[[1], [1]] | unique"],
    "upper": ["inputs.nothing | upper", "inputs.names | upper"],
    "urlencode": ["inputs.page | urlencode", "inputs.names | urlencode"],
    "wordcount": ["inputs.names | wordcount"],
    "wordwrap": ["inputs.page | wordwrap(5)"],
}  # fmt: skip
OTHERS = [
    "inputs.ages.items()", "inputs.page.keys()", "inputs.page.values()", "{}.items()",
    "dict(a=1).values()", "dict(inputs.ages.items())", "range(0)", "range(3)", "(1, 2)", "()",
    "[(1, 2), (3,)]", "{'a': (1, 2)}['a']", "(1, 2) + [3]", "range(2) + (5,)", "(1,) * 2",
    "'a-b-c'.partition('-')", "'a b'.split()", "inputs.names[:1]", "range(4)[1:]", "(1, 2)[:0]",
    "inputs.names and (inputs.people | map(attribute='age'))", "'%s-%s' % (1, inputs.names)",
    "'%s' % inputs.page", "'%r' % inputs.on", "'%(size)s' % inputs.page",
    "'{}{}'.format(true, none)",
    "true ~ inputs.names ~ inputs.nothing", "'a'.startswith(('b', 'a'))", "(1, 2) | list",
    "steps", "steps.keys()", "steps.values()", "steps.items()", "steps | length", "steps | list",
]  # fmt: skip
EXPRESSIONS = [*(each for name in FILTERED for each in FILTERED[name]), *OTHERS]


def test_every_filter_is_in_the_table() -> None:
    assert set(FILTERED) == set(FILTERS)
    assert all(f"| {name}" in each for name in FILTERED for each in FILTERED[name])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_printed_is_what_is_seen(expression: str) -> None:
    shown = render(f"{{% set v = {expression} %}}{{{{ v }}}}", NAMES, outputs=OUTPUTS, schema=TEXT)
    value = render(f"{{{{ {expression} }}}}", NAMES, outputs=OUTPUTS, schema={})
    assert shown == (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    names = {**NAMES, "inputs": {**NAMES["inputs"], "seen": value}}
    seen: dict[str, bool] = {
        f"({expression})": bool(value),
        f"not ({expression})": not value,
        f"(({expression}) or 'none') == (inputs.seen or 'none')": True,
        f"({expression}) == inputs.seen": True,
        f"inputs.seen != ({expression})": False,
        f"[{expression}] == [inputs.seen]": True,
        f"inputs.seen in [{expression}]": True,
    }
    if isinstance(value, list | str):
        seen |= {
            f"({expression}) | length == {len(value)}": True,
            f"({expression})[0] == inputs.seen[0]": True,
            f"({expression}) | last == inputs.seen | last": True,
            f"({expression})[1:] == inputs.seen[1:]": True,
            f"({expression}) is sequence": True,
        }
    for condition, expected in seen.items():
        assert holds(condition, names, outputs=OUTPUTS) is expected, condition
    twice = f"{{% set v = {expression} %}}{{{{ [v, v] == [inputs.seen, v] }}}}"
    assert render(twice, names, outputs=OUTPUTS, schema=TEXT) == "true"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ '%s' | format(inputs.names) }}", '["Ada", "Grace"]'),
        ("{{ '%s %s' | format(inputs.on, inputs.nothing) }}|", "true |"),
        ("{{ '%s' % inputs.page }}", '{"size": 10, "items": ["a", "b"]}'),
        ("{{ '%s %d' % (inputs.names, 3) }}", '["Ada", "Grace"] 3'),
        ("{{ '%(items)s' % inputs.page }}", '["a", "b"]'),
        ("{{ '%r %r' % ('a', [true]) }}", '"a" [true]'),
        ("{{ '{} {:>5}'.format(inputs.page.items, inputs.on) }}", '["a", "b"]  true'),
        ("{{ true | urlencode }} {{ none | urlencode }}|", "true |"),
        ("{{ [true] | urlencode }}", "%5Btrue%5D"),
        ("{{ {'a b': true, 'c': none, 'd': [false]} | urlencode }}", "a+b=true&c=&d=%5Bfalse%5D"),
        ("{{ [['a', true]] | urlencode }} {{ 'a/b c' | urlencode }}", "a=true a/b%20c"),
        ("{{ true | replace('true', [none]) }} {{ 'true' | replace(true, 1) }}", "[null] 1"),
        ("{{ 'abcdefghi' | truncate(6, true, true) }}", "abtrue"),
        ("{{ [true, none, [false]] | join(true) }}", "truetruetrue[false]"),
        ("{{ true | center(6) }}{{ false | upper }}{{ [none] | title }}", " true FALSE[Null]"),
        ("{% for who in inputs.people | groupby('age') %}{{ who.grouper }}{{ who.list | length }} "
         "{% endfor %}", "361 851 "),
    ],
)  # fmt: skip
def test_a_value_that_is_no_text_is_written_as_json_everywhere(source: str, text: str) -> None:
    assert render(source, NAMES, schema=TEXT) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for id in steps %}{{ id }} {% endfor %}", "one two "),
        ("{% for id, step in steps.items() %}{{ id }}={{ step.output }} {% endfor %}",
         'one=eins two=["a"] '),
        ("{{ steps | length }} {{ steps.keys() }} {{ steps | list | length }}",
         '2 ["one", "two"] 2'),
        ("{{ 'first' in steps }} {{ 'one' in steps }}", "false true"),
        ("{{ steps.first }} {{ steps['first'] }} {{ steps.get('first') }}", "eins eins eins"),
        ("{{ steps.one.output }} {{ steps.items[0] }} {{ steps.get('no', 'x') }}", "eins a x"),
        ("{{ steps.no }}{{ steps['no'] }}{{ steps.no.output }}|", "|"),
    ],
)  # fmt: skip
def test_a_second_name_is_a_member_and_no_step(source: str, text: str) -> None:
    assert render(source, NAMES, outputs=OUTPUTS, schema=TEXT) == text
