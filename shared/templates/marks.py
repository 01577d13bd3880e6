"""What makes a text a template."""

from typing import Final

MAX_SOURCE: Final = 8_192  # characters
_MARKS: Final = ("{{", "{%", "{#")


def is_template(text: str) -> bool:
    return any(mark in text for mark in _MARKS)
