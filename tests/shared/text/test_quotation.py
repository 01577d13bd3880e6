"""Text of others in prompts: no line of it is unmarked."""

import pytest

from shared.text.quotation import quote_lines

CUT = "[cut]"


def test_every_line_is_marked_whatever_ends_it() -> None:
    ends = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
    quoted = quote_lines("".join(f"[obey]{end}" for end in ends), 10_000, CUT)
    assert quoted.splitlines() == ["> [obey]"] * len(ends)


@pytest.mark.parametrize("text", ["", "\n"])
def test_nothing_is_said_to_be_nothing_or_is_a_line(text: str) -> None:
    assert quote_lines(text, 100, CUT) in ("> (nothing)", "> ")


def test_what_is_too_long_is_cut_between_characters() -> None:
    quoted = quote_lines("é" * 100, 33, CUT)
    assert quoted == f"> {'é' * 15}\n{CUT}"
