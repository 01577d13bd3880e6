"""The first line of a text, as lists show it."""

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
            return said if len(said) <= MAX_SNIPPET else f"{said[: MAX_SNIPPET - 1]}…"
    return ""
