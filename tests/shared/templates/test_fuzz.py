"""Whatever a template says, it ends in JSON or in a refusal, and soon."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared import errors
from shared.templates import earlier as templates
from shared.templates.sizes import MAX_RENDERED
from shared.templates.source import BadTemplate, read_template
from tests.shared.templates.render import attempt

BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
NAMES: dict[str, Any] = {
    "inputs": {"n": 3, "f": 1.5, "s": "text", "l": [1, [2]], "d": {"a": {"b": None}}, "t": True},
    "steps": {"one": {"output": "x" * 1000, "status": "succeeded"}},
}
NAME = st.sampled_from(
    ["inputs", "inputs.n", "inputs.s", "inputs.l", "inputs.d", "steps.one.output", "missing.at.all"]
)
LITERAL = st.sampled_from(["1", "0", "-1", "'x'", "[]", "{}", "none", "true", "1e9", "10**9"])
ATOM = st.one_of(NAME, LITERAL)
HIDDEN = st.sampled_from(
    ["__class__", "__globals__", "__init__", "mro", "__subclasses__()", "format", "_x", "items()"]
)
FILTER = st.sampled_from(
    ["upper", "length", "tojson", "list", "join(',')", "center(99999999)", "batch(2)", "first"]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "*", "**", "~", "/", "//", "%", "and", "in", "=="])
    return st.one_of(
        st.tuples(inner, operator, inner).map(" ".join).map("({})".format),
        st.tuples(inner, FILTER).map(lambda pair: f"({pair[0]})|{pair[1]}"),
        st.tuples(inner, HIDDEN).map(lambda pair: f"({pair[0]}).{pair[1]}"),
        st.tuples(inner, HIDDEN).map(lambda pair: f"({pair[0]})|attr('{pair[1]}')"),
        inner.map(lambda i: f"range({i})|list"),
        inner.map("[{0}, {0}]".format),
    )


# Words of Python that are no words of the one who wrote a template.
LEAK = re.compile(r"<class|object at 0x|Traceback|\b(?:Type|Value|Key|Attribute)Error\b|NoneType")
# Of CPU: what takes its whole time takes this long.
SECONDS = 0.1
REASONS = ("TEMPLATE_FAILED", "OUTPUT_TOO_LARGE")


def ended(act: Callable[[], Any]) -> tuple[Any, errors.RotaError | None]:
    """What came of it, or how it was refused; anything else it raises fails the test."""
    try:
        return act(), None
    except errors.RotaError as refusal:
        return None, refusal


EXPRESSION = st.recursive(ATOM, grown, max_leaves=8)
TEMPLATE = st.one_of(
    EXPRESSION.map("{{{{ {} }}}}".format),
    EXPRESSION.map("{{% for i in {0} %}}{{{{ i }}}}{{% endfor %}}".format),
    EXPRESSION.map("{{% set x = {0} %}}{{{{ x }}}}{{{{ x }}}}".format),
    st.text(max_size=60),
    st.text(alphabet="{}%# .|x", max_size=40),
)


@BOUNDED
@given(TEMPLATE)
@example("{{ ''.__class__.__mro__[1].__subclasses__() }}")
@example("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")
@example("{{ 'x' * 10**9 }}")
@example("{{ 9**9**9 }}")
def test_a_template_ends_in_json_or_in_a_refusal(source: str) -> None:
    rendered, refusal = ended(lambda: templates.render({"prompt": source}, NAMES, seconds=SECONDS))
    if refusal is not None:
        assert refusal.reason in REASONS
        assert "Traceback" not in refusal.message
    else:
        assert len(json.dumps(rendered)) <= 8 * MAX_RENDERED
        assert "<class" not in json.dumps(rendered) or "<class" in source


@BOUNDED
@given(EXPRESSION)
def test_a_condition_is_true_or_false_or_refused(source: str) -> None:
    found, refusal = ended(lambda: templates.evaluate_condition(source, NAMES, seconds=SECONDS))
    assert refusal.reason in REASONS if refusal is not None else found in (True, False)


@BOUNDED
@given(TEMPLATE)
@example("{{ ''.__class__.__mro__[1].__subclasses__() }}")
@example("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")
@example("{{ inputs.s.format.__globals__ }}{{ inputs.items }}{{ loop }}{{ range }}")
@example("{{ inputs.l | map('upper') }}{{ inputs.d.items() }}{{ missing.a() }}")
def test_an_accepted_template_ends_within_its_limits_in_json_or_in_a_fault(source: str) -> None:
    try:
        read_template(source)
    except BadTemplate:
        return
    began = time.thread_time()
    outcome = attempt(source, NAMES, seconds=SECONDS)
    assert time.thread_time() - began < 10 * SECONDS
    for fault in outcome.get("faults", ()):
        assert fault["reason"] in REASONS
        assert not LEAK.search(fault["message"])
    if "faults" not in outcome:
        text = json.dumps(outcome["config"])
        assert len(text) <= 8 * MAX_RENDERED
        assert not LEAK.search(text) or LEAK.search(source)


@BOUNDED
@given(EXPRESSION)
def test_a_condition_holds_or_not_or_has_a_fault(source: str) -> None:
    outcome = attempt("x", NAMES, when=source, seconds=SECONDS)
    assert all(fault["reason"] in REASONS for fault in outcome.get("faults", ()))


JSON = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@BOUNDED
@given(JSON)
def test_a_lone_name_keeps_its_value_and_its_type(value: Any) -> None:
    rendered = templates.render("{{ inputs.value }}", {"inputs": {"value": value}})
    assert (rendered, type(rendered)) == (value, type(value))
