"""A text in one line, and the first line of a text, as lists show them."""

import re
from typing import Final

MAX_SNIPPET: Final = 200  # characters

# What Markdown begins a line with.
_MARKS: Final = re.compile(r"^[\s>#*+`~|=_-]+|^\s*\d{1,9}[.)]\s+")
# How far the line is looked for.
MAX_READ: Final = 4_000  # characters


def first_line(text: str) -> str:
    """Returns the first line that has a letter or digit, without the marks of Markdown before it.

    It is cut to 200 characters, and empty where the beginning of the text has no such line.
    """
    for line in text[:MAX_READ].splitlines():
        said = " ".join(_MARKS.sub("", line).split())
        if any(character.isalnum() for character in said):
            return cut_line(said, MAX_SNIPPET)
    return ""


def cut_line(text: str, limit: int) -> str:
    """Returns a text in one line of at most `limit` characters; one that is cut ends in `…`."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
