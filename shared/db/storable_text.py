"""Text that PostgreSQL and UTF-8 can hold."""

import re
from typing import Final

REPLACEMENT: Final = "\ufffd"
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Replaces NUL and lone surrogates in a text, and joins two halves of a character."""
    # What nearly every text is takes no search of its characters.
    if (text.isascii() and "\x00" not in text) or _UNSTORABLE.search(text) is None:
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\x00", REPLACEMENT)
