"""A template says what it shows: a text, a condition and a field see the same value."""

import json
import signal
from datetime import UTC, datetime
from time import thread_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.registries.actions.agent_task import AGENT_TASK
from shared.templates.deadline import QUICK_SECONDS
from shared.templates.job import is_quick, render_quick, render_step
from shared.templates.template_rules import EARLIER, PRESENT
from tests.shared.templates.render import TEXT, attempt, build_job, holds, render, told

NAMES: dict[str, Any] = {
    "inputs": {
        "count": [1, 2],
        "n": 3,
        "half": 0.5,
        "on": True,
        "text": "hü & <b>",
        "nothing": None,
        "empty": "",
        "list": ["a", "b"],
        "deep": {"a": [{"b": None}], "ü": "&"},
    },
    "steps": {
        "get": {"output": "got", "status": "SUCCEEDED", "error": None},
        "s": {"output": {"items": ["a", "b"], "keys": 1}, "status": "SUCCEEDED"},
        "judge": {"output": "urgent", "status": "SUCCEEDED"},
        "fetch-news": {"output": {"title": "News"}, "status": "FAILED"},
        "fetch-news-2": {"output": "two"},
    },
    "run": {"slot_time": "2026-11-23T08:00:00Z"},
}
OUTPUTS = {"verdict": "judge", "items": "s"}
IDS = ["fetch-news", "fetch-news-2"]
MEMBERS = sorted(
    {
        name
        for kind in (dict, list, str, int, float)
        for name in dir(kind)
        if not name.startswith("__")
    }
    | {"__class__", "__len__", "__init__"}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
PATHS = ["inputs.{}", "inputs.o.{}", "inputs.l[0].{}"]
BOUNDED = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ steps.get.output }}", "got"),
        ("{% for i in steps.s.output.items %}{{ i }};{% endfor %}", "a;b;"),
        ("{{ steps.s.output.keys }}", "1"),
        ("{{ steps.s.output['items'][1] }}", "b"),
        ("{{ inputs.deep.items() | length }}", "2"),
        ("{% for key, value in inputs.deep.items() %}{{ key }}{% endfor %}", "aü"),
        ("{{ inputs.get('n', 5) }}{{ inputs.get('gone', 5) }}", "35"),
        ("{{ inputs.text.upper }}|{{ inputs.text.upper() }}", "|HÜ & <B>"),
        ("{{ steps.verdict }}", "urgent"),
        ("{{ steps.verdict | length }} {{ steps.verdict | tojson }}", '6 "urgent"'),
        ("{{ steps.verdict.startswith('urg') }} {{ 'urg' in steps.verdict }}", "true true"),
        ("{% for letter in steps.verdict %}{{ letter }}.{% endfor %}", "u.r.g.e.n.t."),
        ("{{ steps.items.items | join('+') }}", "a+b"),
        ("{{ steps.fetch-news.output.title }}", "News"),
        ("{{ steps.fetch-news-2.output }} {{steps.fetch-news.status}}", "two FAILED"),
        ("{% for c in steps.fetch-news-2.output %}<{{ c }}>{% endfor %}", "<t><w><o>"),
        ("{{ {'a': [steps.fetch-news.output.title | upper]} }}", '{"a": ["NEWS"]}'),
        ("{{ inputs.n-1 }} {{ inputs.n - 1 }}", "2 2"),
        ("<{{ inputs.nothing }}{{ inputs.gone }}{{ inputs.gone.deeper[0] }}>", "<>"),
        ("{{ inputs.nothing == none }} {{ inputs.gone is none }}", "true true"),
        ("{{ inputs.nothing | length }}{% for a in inputs.nothing %}x{% endfor %}", "0"),
        ("{{ 'a' in inputs.nothing }} {{ 'a' in inputs.gone }}", "false false"),
        ("{{ inputs.nothing | default('d') }}{{ inputs.empty | default('d', true) }}", "dd"),
        ("{{ inputs.on }} {{ not inputs.on }} {{ inputs.n }}{{ inputs.half }}", "true false 30.5"),
        ("{{ inputs.deep }}", '{"a": [{"b": null}], "ü": "&"}'),
        ("a {{ inputs.text | tojson }}", 'a "hü & <b>"'),
        ("{{ inputs.count | tojson(indent=1) }}", "[\n 1,\n 2\n]"),
        ("{{ [none, 1, true, {'a': 'ü'}] | join(', ') }}", ', 1, true, {"a": "ü"}'),
        ("{{ 'a' ~ none ~ inputs.on ~ inputs.count }}", "atrue[1, 2]"),
        ("{{ inputs.list | map('upper') }}{{ range(2) }}", '["A", "B"][0, 1]'),
        ("{{ '%s|%s' % (inputs.nothing, inputs.on) }}", "|true"),
        ("{{ '{}|{:>3}|{!r}'.format(inputs.deep.a, inputs.n, 'x') }}", '[{"b": null}]|  3|"x"'),
        ("{{ inputs.deep | upper }}", '{"A": [{"B": NULL}], "Ü": "&"}'),
        ("{{ inputs.text | e }}", "hü &amp; &lt;b&gt;"),
        ("{{ inputs.text.__class__ }}{{ inputs.__class__ }}{{ ''.__class__.__mro__ }}", ""),
        ("{{ inputs.list[:1] }}{{ inputs.text[:2] }}{{ inputs.gone[:2] }}", '["a"]hü'),
        ("{{ run.slot_time }}", "2026-11-23T08:00:00Z"),
    ],
)  # fmt: skip
def test_a_template_writes_what_its_values_are(source: str, text: str) -> None:
    assert render(source, NAMES, schema=TEXT, outputs=OUTPUTS, hyphenated=IDS) == text


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("steps.verdict == 'urgent'", True),
        ("{{ steps.verdict == 'urgent' }}", True),
        (" {{ steps.verdict == 'mild' }}\n", False),
        ("'urg' in steps.verdict and steps.verdict | length == 6", True),
        ("steps.judge.status == 'SUCCEEDED'", True),
        ("steps.fetch-news.status == 'FAILED'", True),
        ("steps.fetch-news.output.title", True),
        ("inputs.n > 2", True),
        ("inputs.nothing", False),
        ("inputs.gone.deep", False),
        ("inputs.gone == none", True),
        ("steps.later.output", False),
    ],
)
def test_a_condition_sees_what_is_written(when: str, expected: bool) -> None:
    assert holds(when, NAMES, outputs=OUTPUTS, hyphenated=IDS) is expected


def test_a_moment_is_written_with_a_t() -> None:
    moment = datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert render("{{ inputs.at }}!", {"inputs": {"at": moment}}) == "2026-11-23T08:00:00Z!"


@pytest.mark.parametrize(
    ("source", "schema", "value"),
    [
        ("{{ inputs.n }}", TEXT, "3"),
        ("{{ inputs.deep }}", TEXT, '{"a": [{"b": null}], "ü": "&"}'),
        ("{{ inputs.gone }}", TEXT, ""),
        ("{{ inputs.nothing }}", TEXT, ""),
        ("{{ inputs.on }}", TEXT, "true"),
        ("{{ inputs.gone }}", {"anyOf": [TEXT, {"type": "null"}]}, None),
        ("{{ inputs.n }}", {"type": "number"}, 3),
        ("{{ '4' }}", {"type": "integer"}, 4),
        ("{{ inputs.n }}5", {"type": "integer"}, 35),
        ("{{ 4.0 }}", {"type": "integer"}, 4),
        ("{{ 'true' }}", {"type": "boolean"}, True),
        ("{{ '[1]' }}", {"type": "array"}, [1]),
        ("{{ inputs.list | map('upper') }}", {"type": "array"}, ["A", "B"]),
        ("{{ inputs.gone }}", {"type": "array"}, []),
        ("{{ inputs.deep }}", {"type": "object"}, NAMES["inputs"]["deep"]),
        ("{{ '{\"a\": 1}' }}", {"type": "object"}, {"a": 1}),
        ("{{ inputs.n }}", None, 3),
        ("{{ inputs.gone }}", None, ""),
        ("{{- inputs.list -}}", {}, ["a", "b"]),
        ("  {{ inputs.n }} \n", {}, 3),
    ],
)
def test_a_lone_value_becomes_what_its_field_wants(
    source: str, schema: dict[str, Any] | None, value: Any
) -> None:
    rendered = render(source, NAMES, schema=schema)
    assert (rendered, type(rendered)) == (value, type(value))


def test_the_wants_of_deep_fields_are_found() -> None:
    schema = {
        "type": "object",
        "properties": {
            "all": {"type": "array", "items": {"$ref": "#/$defs/one"}},
            "more": {"additionalProperties": {"type": "number"}},
        },
        "$defs": {"one": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
    }
    job = build_job("", NAMES)
    job["config"] = {"all": ["{{ '1' }}", "{{ inputs.gone }}"], "more": {"x": "{{ '0.5' }}"}}
    job["schema"] = schema
    assert render_step(job)["config"] == {"all": [1, None], "more": {"x": 0.5}}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a\nb\n{{ inputs.count + 1 }}", "prompt, line 3: `inputs.count` is a list; "
         "`+` can't take a list and a number"),
        ("{{ inputs.count < 3 }}", "prompt, line 1: `inputs.count` is a list; "
         "`<` can't compare a list with a number"),
        ("{{ inputs.gone + 3 }}", "prompt, line 1: `inputs.gone` has no value; "
         "`+` can't take nothing and a number"),
        ("\n{{ inputs.n | sum }}", "prompt, line 2: `inputs.n` is a number; "
         "`sum` can't take a number"),
        ("{% for a in inputs.n %}{% endfor %}", "prompt, line 1: `inputs.n` is a number; "
         "a number can't be gone through"),
        ("{{ steps.s.output.items() }}", "prompt, line 1: `steps.s.output.items` is a list; "
         "`items` is a key here, with a list, so it can't be called"),
        ("{{ inputs.text.foo() }}", "prompt, line 1: `inputs.text` is a text; "
         "a text has no `foo()`"),
        ("{{ -inputs.text }}", "prompt, line 1: `inputs.text` is a text; `-` can't take a text"),
        ("{{ 1 / 0 }}", "prompt, line 1: `1 / 0` is a division by zero"),
        ("{{ range }}!", "prompt, line 1: this can't be written"),
        ("{{ inputs.text(1) }}", "prompt, line 1: `inputs.text` is a text; "
         "`text` is a key here, with a text, so it can't be called"),
        ("{{ 2 ** 15000 }}!", "prompt, line 1: a number has too many digits"),
        ("{{ ('9' * 5000) | int }}", "prompt, line 1: a number has too many digits"),
        ("{{ ('9' * 5000) | int(7) }}", "prompt, line 1: a number has too many digits"),
    ],
)  # fmt: skip
def test_a_fault_names_its_field_its_line_and_the_value(source: str, words: str) -> None:
    assert told(source, NAMES) == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("[3, 'a'] | sort", "`sort` can't compare the values: the list mixes texts and numbers"),
        ("[1, 'a'] | max", "`max` can't compare the values: the list mixes texts and numbers"),
        ("[none, 1] | min", "`min` can't compare the values: the list mixes numbers and nothing"),
        ("[{'a': 1}, {'a': 2}] | sort",
         "`sort` can't compare objects; `attribute` says what of them to compare"),
        ("[inputs.deep] | sum",
         "`sum` can't add an object to a number; `attribute` says what of it to add"),
        ("[[1]] | sum", "`sum` can't add a list to a number"),
        ("'a' | wordwrap(0)", "`wordwrap`: `width` is at least 1, not 0"),
        ("[1] | slice(0)", "`slice`: `slices` is at least 1, not 0"),
        ("'a' | truncate('b')", "`truncate`: `length` is a whole number, not a text"),
        ("'a' | truncate(length=-1)", "`truncate`: `length` is at least 0, not -1"),
        ("'a' | center(width=[1])", "`center`: `width` is a whole number, not a list"),
        ("2.5 | round(0, 'up')", "`round(0, 'up')` can't take a number"),
        ("'%d' | format('a')", "`format('a')` can't take a text"),
        ("'%s' | format(1, a=2)", "`format` takes values either by place or by name"),
        ("[{'a': 1}] | selectattr('a', 'gt', 'x')",
         "`selectattr('a', 'gt', 'x')` can't compare a number with a text"),
        ("inputs.list | items", "`inputs.list` is a list; `items` can't take a list"),
        ("inputs.list | map(inputs.text)", "there is no filter named 'hü & <b>'"),
        ("inputs.list | select(inputs.text)", "there is no test named 'hü & <b>'"),
        ("inputs.text[0:2:0]",
         "`inputs.text` is a text; the step of a part `[::]` is never 0"),
        ("{[1]: 2}", "a key of an object is a text, not a list"),
        ("{inputs.deep: 2}", "`inputs.deep` is an object; a key of an object is a text, "
         "not an object"),
        ("'9999-12-31T23:59:59Z' | date(days=1)",
         "this date is outside of the calendar, which has the years 1 to 9999"),
        ("'0001-01-01T00:00:00Z' | date(zone='America/New_York')",
         "this date is outside of the calendar, which has the years 1 to 9999"),
        ("run.slot_time | date(day=1)", "`date` has no argument `day` (did you mean `days`?); "
         "arguments: format, zone, days"),
        ("run.slot_time | date('%d', 'UTC', 1, 2)",
         "`date` takes at most 3 arguments: format, zone, days"),
        ("run.slot_time | date('%d', format='%d')", "`date` has its argument `format` twice"),
        ("inputs.text | upper('x')", "`upper` takes no arguments"),
        ("inputs.text | upper(x=1)", "`upper` takes no arguments"),
        ("inputs.text | replace('x')", "`replace` needs its argument `new`"),
        ("inputs.list | join(',', sep=1)", "`join` has no argument `sep`; arguments: d, attribute"),
        ("inputs.list | sort(revers=true)", "`sort` has no argument `revers` (did you mean "
         "`reverse`?); arguments: reverse, case_sensitive, attribute"),
        ("inputs.list | map(atribute='a')", "`map` needs the name of a filter, or its argument "
         "`attribute`"),
        ("inputs.list | map(attribute='a', defalt=1)", "`map` has no argument `defalt`"),
        ("inputs.list | selectattr", "`selectattr` needs the name of an attribute"),
        ("inputs.list | map('upper', 'x')", "`upper` takes no arguments"),
        ("inputs.text.upper('x')", "`upper()` takes no arguments"),
        ("inputs.text.removeprefix()", "`removeprefix()` needs its argument `prefix`"),
        ("inputs.text.removeprefix(prefix='h')",
         "`removeprefix()` takes its arguments by place: prefix"),
        ("inputs.text.split(separator=',')", "`split()` has no argument `separator` (did you mean "
         "`sep`?); arguments: sep, maxsplit"),
        ("inputs.deep.items(1)", "`items()` takes no arguments"),
        ("inputs.deep.get()", "`get()` needs its argument `key`"),
        ("inputs.n // (inputs.n - 3)", "`3 // 0` is a division by zero"),
        ("2 ** 200 % 0", "`a number % 0` is a division by zero"),
        ("2.5 ** 9999", "`2.5 ** 9999` is too large a number"),
    ],
)  # fmt: skip
def test_a_fault_of_an_operation_says_what_is_in_the_way(expression: str, words: str) -> None:
    assert told(f"{{{{ {expression} }}}}", NAMES) == f"prompt, line 1: {words}"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ inputs.gone }}", "`inputs.gone` is empty"),
        (" {{ inputs.text[100:] }}\n", "`inputs.text[100:]` is empty"),
        ("{{ inputs.empty }} {{ inputs.nothing }}", "empty: `inputs.empty`, `inputs.nothing`"),
        ("{% if inputs.gone %}\n{{ inputs.text }}{% endif %}", "empty: `inputs.gone`"),
        ("{% if 1 == 2 %}a{% endif %}", ""),
        ("{{ inputs.text }}", None),
        ("{{ inputs.nothing }}.", None),
    ],
)
def test_a_text_that_came_out_empty_says_of_what(source: str, words: str | None) -> None:
    blank = attempt(source, NAMES, schema=TEXT)["blank"]
    assert blank.get("prompt") == words


def test_a_lone_value_of_agent_task_is_a_text_but_in_a_schema() -> None:
    job = build_job("{{ inputs.n }}", NAMES, schema=TEXT)
    job["schema"] = AGENT_TASK.config_schema
    lone = {"const": "{{ inputs.n }}", "enum": ["{{ inputs.list }}"]}
    job["config"] |= {"model": "{{ inputs.n }}", "output_schema": {"properties": {"x": lone}}}
    assert render_step(job)["config"] == {
        "prompt": "3",
        "model": "3",
        "output_schema": {"properties": {"x": {"const": 3, "enum": [["a", "b"]]}}},
    }


def test_a_field_that_can_not_have_the_value_says_what_it_wants() -> None:
    assert told("{{ inputs.list }}", NAMES, schema={"type": "number"}) == (
        "prompt, line 1: `inputs.list` is a list; a number is wanted here, and this is a list"
    )
    assert told("{{ inputs.gone }}", NAMES, schema={"type": "number"}) == (
        "prompt, line 1: `inputs.gone` has no value; a number is wanted here, and there is no value"
    )


def test_every_field_at_fault_is_told() -> None:
    job = build_job("{{ 1 / 0 }}", NAMES)
    job["config"]["deep"] = {"a": ["x", "{{ inputs.count + 1 }}"]}
    assert [each["field"] for each in render_step(job)["faults"]] == ["prompt", "deep.a[1]"]


def test_a_fault_of_a_condition_is_at_when() -> None:
    (fault,) = attempt("x", NAMES, when="inputs.count > 1")["faults"]
    assert (fault["field"], fault["line"]) == ("when", 1)


@pytest.mark.parametrize("source", ["{{ inputs.long }}", "a{{ inputs.long }}{{ inputs.long }}"])
def test_a_text_that_is_cut_says_so(source: str) -> None:
    outcome = attempt(source, {"inputs": {"long": "ü" * 300_000}}, schema=TEXT, cut=65_536)
    text = outcome["config"]["prompt"]
    assert len(text.encode()) <= 65_536
    assert text.endswith("[Cut here: the text is longer than 65,536 bytes, the most it may have.]")
    assert outcome["cut"] == [{"field": "prompt", "limit_bytes": 65_536}]


def test_what_is_not_too_long_is_not_cut() -> None:
    outcome = attempt("{{ inputs.long }}", {"inputs": {"long": "ü" * 32_768}}, cut=65_536)
    assert (outcome["config"]["prompt"], outcome["cut"]) == ("ü" * 32_768, [])


@BOUNDED
@given(
    st.sampled_from(MEMBERS), JSON, st.sampled_from(["inputs.{}", "inputs.o.{}", "inputs.l[0].{}"])
)
def test_a_key_wins_over_every_method(key: str, value: Any, path: str) -> None:
    members = {key: value}
    names = {"inputs": {**members, "o": members, "l": [members]}}
    path = path.format(key)
    assert render(f"{{{{ {path} }}}}", names) == ("" if value is None else value)
    assert holds(f"({path}) == inputs.o[{key!r}]", names)
    shown = "" if value is None else value
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
    assert render(f"<{{{{ {path} }}}}>", names) == f"<{text}>"


@BOUNDED
@given(st.sampled_from(MEMBERS), JSON)
def test_what_is_no_key_is_nothing(name: str, value: Any) -> None:
    names = {"inputs": {"v": value if not isinstance(value, dict) else {}}}
    assert render(f"<{{{{ inputs.v.{name} }}}}>", names) == "<>"


@BOUNDED
@given(JSON)
def test_a_condition_and_a_text_see_one_value(value: Any) -> None:
    names = {"inputs": {"v": value}, "steps": {"a": {"output": value}}}
    outputs = {"o": "a"}
    assert holds("steps.o == inputs.v and steps.a.output == inputs.v", names, outputs=outputs)
    shown = render("{{ steps.o }}", names, outputs=outputs, schema=TEXT)
    assert render("{{ steps.a.output }}", names, schema=TEXT) == shown
    assert render("{{ inputs.v | string }}", names, schema=TEXT) == shown
    if value is not None and not isinstance(value, str):
        assert json.loads(shown) == value


def test_the_earlier_rules_render_as_before() -> None:
    told_before = {
        "{{ steps.verdict }}|{{ steps.judge }}": "urgent|urgent",
        "{{ inputs.nothing }} {{ inputs.on }} {{ inputs.deep.a }}": "None True [{'b': None}]",
        "{{ inputs.text | tojson }}!": '"h\\u00fc \\u0026 \\u003cb\\u003e"!',
        "{{ steps.judge.status }}!": "succeeded!",
        "{{ [1] | pprint }}!": "[1]!",
    }
    names = {**NAMES, "steps": {"s": {"output": None}, "judge": {
        "output": "urgent", "status": "succeeded", "error": None}}}  # fmt: skip
    for source, text in told_before.items():
        assert render(source, names, outputs=OUTPUTS, rules=EARLIER, schema=TEXT) == text
    assert holds("steps.judge.status == 'succeeded'", names, rules=EARLIER)
    assert not holds("steps.verdict == 'urgent'", names, outputs=OUTPUTS, rules=EARLIER)
    (fault,) = attempt("{{ steps.judge.get.output + 1 }}", names, rules=EARLIER)["faults"]
    assert fault["reason"] == "TEMPLATE_FAILED"


@pytest.mark.parametrize(
    ("source", "when", "quick"),
    [
        ("no template", None, True),
        ("{{ inputs.text | upper }} {% if inputs.on %}x{% endif %}", "inputs.n > 2", True),
        ("{% for a in inputs.list %}{% endfor %}", None, False),
        ("{{ inputs.text.upper() }}", None, False),
        ("{{ inputs.n ** inputs.n }}", None, False),
        ("x", "inputs.list[inputs.n] == 'a'", False),
        ("{{ inputs.text | upper }}" * 40, None, False),
    ],
)
def test_few_operations_that_end_soon_are_quick(source: str, when: str | None, quick: bool) -> None:
    assert is_quick(build_job(source, NAMES, when=when)) is quick
    assert not is_quick(build_job(source, NAMES, when=when, rules=EARLIER))


def test_a_template_without_an_end_is_ended() -> None:
    loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"
    slow = f"[{', '.join(['range(9999) | sort'] * 99)}]"
    for rules in (PRESENT, EARLIER):
        for when in (None, slow):
            found = told(loops, NAMES, when=when, rules=rules, seconds=0.05)
            assert found.endswith("line 1: a template ran for longer than 0.05 s")


def test_no_timer_is_left_behind() -> None:
    attempt("{{ inputs.n * 2 }}{% for a in inputs.list %}{% endfor %}", NAMES, seconds=0.05)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getsignal(signal.SIGPROF) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("{{ inputs.long }} " * 15, None),
        ("x", " and ".join(["(inputs.long | join) ~ inputs.long"] * 10)),
        (
            "{% if inputs.long | tojson | length > 1 %}{{ inputs.long | tojson }}{% endif %}" * 8,
            None,
        ),
    ],
)
def test_few_operations_on_much_end_in_time_too(source: str, when: str | None) -> None:
    names = {"inputs": {"long": [1] * 87_000}}
    assert is_quick(build_job(source, names, when=when))
    began = thread_time()
    render_quick(build_job(source, names, when=when))
    assert thread_time() - began < 5 * QUICK_SECONDS
