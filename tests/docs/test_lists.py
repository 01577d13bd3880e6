"""docs/lists.md: every filter is read, and every list has the fields that it says."""

import re
from pathlib import Path

import pytest

from shared import list_filter
from shared.definition.states import RunStatus

TEXT = (Path(__file__).parents[2] / "docs" / "lists.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `([^`]+)` \|", TEXT, re.M)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_read(text: str) -> None:
    fields = {"state": list_filter.state(RunStatus), "create_time": list_filter.TIME}
    assert list_filter.parse(text, fields) is not None


def test_there_are_examples_of_everything() -> None:
    for word in (" AND ", " OR ", "NOT ", "(", '"', "!=", ">="):
        assert any(word in example for example in EXAMPLES)
