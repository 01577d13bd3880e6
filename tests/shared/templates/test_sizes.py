"""What a template makes is bounded before it is made, whatever filter or method makes it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2.filters import FILTERS

from shared import errors
from shared.templates import earlier as templates
from shared.templates import sizes
from tests.shared.templates import template_bench
from tests.shared.templates.render import attempt

ROOT = Path(__file__).parents[3]
LARGE = "a" * 200_000
NAMES: dict[str, Any] = {"inputs": {"large": LARGE, "words": ["a"] * 9_000, "text": "a-b c"}}


def test_every_filter_of_jinja_has_a_size_or_is_not_available() -> None:
    assert set(sizes.FILTER_SIZES) == set(FILTERS)
    assert set(sizes.FILTER_STEPS) <= set(FILTERS)
    assert set(sizes.METHOD_STEPS) <= set(sizes.METHOD_SIZES)


def test_no_template_takes_long_or_much_memory() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", template_bench.__name__, "41"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    tried = ended.stdout.splitlines()
    assert tried[-1] == "done", f"{ended.returncode} at {tried[-1]}\n{ended.stderr}"
    assert len(tried) > 300


@pytest.mark.parametrize(
    "expression",
    [
        "'%*d' % (10 ** 9, 1)",
        "'%0000000000000000000099999999999d' % 1",
        "('%(large)s' * 99) % inputs",
        "'{:>999999999}'.format(1)",
        "('{large}' * 99).format_map(inputs)",
        "inputs.large | replace('', inputs.large)",
        "inputs.large.replace('a', inputs.large)",
        "inputs.words | join(inputs.large)",
        "inputs.large.join(inputs.words)",
        "inputs.large | wordwrap(1, true, inputs.large)",
        "inputs.large | center(10 ** 9)",
        "'a\\nb' | indent(10 ** 9)",
        "inputs.text | urlize(rel=inputs.large) ~ inputs.large * 9",
        "inputs | tojson(indent=10 ** 6)",
        "'\\t'.expandtabs(10 ** 9)",
        "1 | round(10 ** 9, 'ceil')",
        "2 ** 65536 ** 2",
        "[2 ** 14000] * 999",
        "('%d,' * 9999) % ((1e308,) * 9999)",
        "('{0:f}' * 9999).format(1e308)",
        "inputs.large.translate([inputs.text * 9] * 98)",
        "[inputs.large, inputs.large, inputs.large, inputs.large, inputs.large, inputs.large]",
        "inputs.large ~ inputs.large ~ inputs.large ~ inputs.large ~ inputs.large ~ inputs.large",
    ],
)
def test_what_would_be_huge_is_refused_before_it_is_made(expression: str) -> None:
    for source in (f"{{{{ {expression} }}}}", f"<{{{{ {expression} }}}}>"):
        with pytest.raises(errors.OutputTooLarge):
            templates.render(source, NAMES, seconds=60)
    if "urlize" not in expression:
        for source in (f"{{{{ {expression} }}}}", f"<{{{{ {expression} }}}}>"):
            (fault,) = attempt(source, NAMES, seconds=60)["faults"]
            assert fault["reason"] == "OUTPUT_TOO_LARGE"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("('%' * 99999) % ()", "conversions"),
        ("('%*d' * 20000) % ((1,) * 40000)", "conversions"),
        ("inputs.large.strip(inputs.large)", "strip takes too long"),
        ("inputs.large | trim(inputs.large)", "trim takes too long"),
        ("(')' * 9999 ~ 'a)') | urlize", "urlize takes too long"),
        ("([[1]] * 60000) | sum(start=[])", "sum takes too long"),
        ("([[[[[[[[[1]]]]]]]]] * 20000) | sort", "sort takes too long"),
        ("([[[[[[[[[1]]]]]]]]] * 20000) | max", "max takes too long"),
        ("[" * 70 + "]" * 70, "deeper than 64"),
    ],
)
def test_what_would_take_long_is_refused_before_it_begins(expression: str, why: str) -> None:
    with pytest.raises(errors.TemplateFailed, match=why):
        templates.render(f"{{{{ {expression} }}}}", NAMES, seconds=60)


@pytest.mark.parametrize(
    "source",
    [
        "{% set x %}{% for a in range(99) %}{{ inputs.large }}{% endfor %}{% endset %}",
        "{% filter upper %}{% for a in range(99) %}{{ inputs.large }}{% endfor %}{% endfilter %}",
        "{% set x %}{% for a in range(9999) %}" + "text" * 200 + "{% endfor %}{% endset %}",
    ],
)
def test_a_block_that_is_kept_counts_like_one_that_is_shown(source: str) -> None:
    with pytest.raises(errors.OutputTooLarge):
        templates.render(source, NAMES, seconds=60)


def test_the_templates_of_a_config_share_a_limit() -> None:
    config = ["{{ inputs.large }}", "<{{ inputs.large }}>"]
    assert templates.render(config, NAMES) == [LARGE, f"<{LARGE}>"]
    with pytest.raises(errors.OutputTooLarge):
        templates.render(config * 12, NAMES, seconds=60)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'%s of %d in 1700000000000' % ('one', 2)", "one of 2 in 1700000000000"),
        ("'%(text)s!' % inputs", "a-b c!"),
        ("'{text:>7}|{0!r}'.format(1, **inputs)", "  a-b c|1"),
        ("inputs.text | replace('a', 'b') | upper | center(9) | trim", "B-B C"),
        ("inputs.text.split('-') | map('upper') | join(', ')", "A, B C"),
        ("[[1], [2]] | sum(start=[])", [1, 2]),
        ("[{'n': 1}, {'n': 2}] | sum(attribute='n')", 3),
        ("inputs.words | length", 9_000),
        ("'a b c' | wordwrap(3)", "a b\nc"),
        ("[3, 1, 2] | sort(reverse=true) | first", 3),
        ("range(7) | batch(3, 'x') | map('list') | list", [[0, 1, 2], [3, 4, 5], [6, "x", "x"]]),
        ("{'b': 1, 'a': [2]} | dictsort", [["a", [2]], ["b", 1]]),
        ("dict(a=1).items() | list", [["a", 1]]),
        ("{'a': 1} | tojson(indent=2)", '{\n  "a": 1\n}'),
        ("1.25 | round(1, 'floor')", 1.2),
        ("'a' ~ 1 ~ none ~ inputs.missing", "a1None"),
        ("inputs.get('text', '')[:3]", "a-b"),
        ("dict([['a', 1]], b=2)", {"a": 1, "b": 2}),
        ("(inputs.large ~ 'ab' ~ inputs.large).rfind('ab' ~ inputs.large)", 200_000),
        ("(inputs.large ~ inputs.large).rfind('ab' ~ inputs.large)", -1),
        ("'x, y, z' | safe | escape ~ ''.rpartition(', ')[0]", "x, y, z"),
    ],
)
def test_what_is_small_renders_as_jinja_renders_it(expression: str, value: object) -> None:
    assert templates.render(f"{{{{ {expression} }}}}", NAMES) == value


@pytest.mark.parametrize("method", ["encode()", "format.__globals__", "maketrans('a', 'b')"])
def test_a_method_without_a_size_is_not_available(method: str) -> None:
    with pytest.raises(errors.TemplateFailed):
        templates.render(f"{{{{ inputs.text.{method}.x() }}}}", NAMES)


def test_a_loop_has_its_helpers() -> None:
    source = "{% for n in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(n) }} {% endfor %}"
    assert templates.render(source, NAMES) == "aTrue bFalse aTrue "
    nested = "{% for n in [[[]], []] recursive %}<{{ loop(n) }}>{% endfor %}"
    assert templates.render(nested, NAMES) == "<<>><>"
