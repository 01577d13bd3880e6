"""What the main model reads of a definition, in words that it may use with a person."""

import re
from typing import Any, Final

# names of the schema that only a drafter knows
_WORDS: Final = {"agent_task": "agent task"}
_NAMES: Final = re.compile("|".join(_WORDS))


def to_plain_words(value: Any) -> Any:
    """Returns JSON with the schema's own names replaced in its texts and keys."""
    match value:
        case str():
            return _NAMES.sub(lambda found: _WORDS[found[0]], value)
        case dict():
            return {to_plain_words(key): to_plain_words(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain_words(item) for item in value]
    return value
