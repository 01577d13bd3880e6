"""The first line of a run's output, which lists show in place of the output."""

from typing import Any

from shared.json import compact_json
from shared.text.snippet import first_line


def build_snippet(output: Any) -> str:
    """Returns the first line of a text, also of an object that has a text alone.

    Of any other value it is its JSON. Empty without an output.
    """
    match output:
        case None:
            return ""
        case str() as text:
            return first_line(text)
        case {"text": str(text), **rest} if not rest:
            return first_line(text)
    return first_line(compact_json.dump(output))
