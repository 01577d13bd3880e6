"""A text in one line, and the first line of a text."""

import pytest

from shared.text.snippet import MAX_SNIPPET, cut_line, first_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one\ntwo", "one"),
        ("\n \r\n## Today’s news\n\n- a", "Today’s news"),
        ("---\n\n* **Trains** run", "Trains** run"),
        ("3. third", "third"),
        ("> quoted\tword", "quoted word"),
        ("…\n!!\n", ""),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * MAX_SNIPPET, "x" * MAX_SNIPPET),
        ("\n" * 5_000 + "late", ""),
        ("שלום\nעולם", "שלום"),
    ],
)
def test_the_first_line_that_says_something(text: str, line: str) -> None:
    assert first_line(text) == line


def test_a_line_is_cut_at_its_limit() -> None:
    assert cut_line(" a\n b\t", 3) == "a b"
    assert cut_line("a b cd", 5) == "a b…"
