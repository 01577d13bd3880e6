"""The first line of a run's output."""

from typing import Any

import pytest

from automation_service.runs.output_snippet import build_snippet


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (None, ""),
        ("# News\nmore", "News"),
        ({"text": "# News\nmore"}, "News"),
        ({"text": "a", "more": 1}, '{"text":"a","more":1}'),
        ([1, 2], "[1,2]"),
        (True, "true"),
        (0, "0"),
    ],
)
def test_a_text_is_shown_by_its_line_and_a_value_by_its_json(output: Any, line: str) -> None:
    assert build_snippet(output) == line
