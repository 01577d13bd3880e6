"""Templates keep types, miss nothing loudly, and can't hurt the service."""

import time
from typing import Any

import pytest

from shared import errors
from shared.templates import earlier as templates
from shared.templates.values import TemplateValue

NAMES: dict[str, Any] = {
    "inputs": {"count": 3, "topics": ["a", "b"], "text": "hi", "nothing": None},
    "steps": {
        "news": {"output": {"items": [1, 2]}},
        "told": TemplateValue("good day", {"output": "good day", "status": "succeeded"}),
        "listed": TemplateValue({"first": [1]}, {"output": {"first": [1]}}),
        "nothing": TemplateValue(None, {"output": None}),
    },
}


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("plain", "plain"),
        ("{{ inputs.count }}", 3),
        ("{{- inputs.count -}}", 3),
        ("  {{ inputs.topics }} ", ["a", "b"]),
        ("{{ steps.news.output }}", {"items": [1, 2]}),
        ("{{ -1 }}", -1),
        ("{{ steps.told }}", "good day"),
        ("{{ steps.told.output }}!", "good day!"),
        ("{{ steps.listed }}", {"first": [1]}),
        ("{{ steps.listed.first }}", [1]),
        ("<{{ steps.nothing }}>", "<>"),
        ("{{ inputs.count }} topics", "3 topics"),
        ("{{ inputs.text }}{{ inputs.count }}", "hi3"),
        ("{{ inputs.missing }}", ""),
        ("{{ steps.other.output.deep }}", ""),
        ("<{{ inputs.missing.deeper }}>", "<>"),
        ("{% for t in inputs.topics %}{{ t }};{% endfor %}", "a;b;"),
        ("{{ 1700000000000 | round }}", 1700000000000),
        ("<{{ inputs.text.__class__.__mro__ }}>", "<>"),
    ],
)
def test_a_template_renders(source: str, rendered: object) -> None:
    assert templates.render(source, NAMES) == rendered


def test_every_string_of_a_config_is_rendered() -> None:
    config = {"prompt": "{{ inputs.text }}!", "tools": ["x{{ inputs.count }}"], "n": 5}
    rendered = templates.render(config, NAMES)
    assert rendered == {"prompt": "hi!", "tools": ["x3"], "n": 5}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("inputs.count > 2", True),
        ("inputs.count > 3", False),
        ("inputs.missing", False),
        ("steps.gone.output.deep", False),
        ("'a' in inputs.topics", True),
    ],
)
def test_a_condition_holds_or_does_not(expression: str, holds: bool) -> None:
    assert templates.evaluate_condition(expression, NAMES) is holds


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 / 0 }}",
        "{{ inputs.count.__init__.__globals__ }}x{{ 'a'.missing() }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{{ range(999999999) | list }}",
        "x" * 8193 + "{{ 1 }}",
    ],
)
def test_a_bad_template_fails_in_time(source: str) -> None:
    with pytest.raises(errors.TemplateFailed):
        templates.render(source, NAMES, seconds=0.1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_finaliser_that_runs_meanwhile_does_not_swallow_the_limit() -> None:
    class Litter:
        def __del__(self) -> None:
            until = time.thread_time() + 0.2
            while time.thread_time() < until:
                pass
            self.gone = True

    class Untidy(dict[str, Any]):
        def get(self, *_: object) -> str:
            Litter()
            return ""

    loop = "{{ inputs.get('a') }}{% for a in range(9999) %}{% for b in range(99) %}{% endfor %}"
    with pytest.raises(errors.TemplateFailed):
        templates.render(loop + "{% endfor %}", {"inputs": Untidy()}, seconds=0.1)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 999999999 }}",
        "{{ 10 ** 999999999 }}",
        "{{ 'a'.ljust(999999999) }}x",
        "{{ 'a' | center(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%999999999d' | format(1) }}",
        "{% for a in range(9999) %}{{ 'a' * 200 }}{% endfor %}",
    ],
)
def test_a_template_can_not_make_something_huge(source: str) -> None:
    # On a slow machine the time might end it before the size does.
    with pytest.raises(errors.OutputTooLarge):
        templates.render(source, NAMES, seconds=60)
