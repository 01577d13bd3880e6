"""What a tool gave, in a form that can be stored, sent and told, whatever it was."""

import json
from collections.abc import Mapping
from typing import Any

from chat_service.agent.text import clean
from shared import canonical


def carried(value: Any, levels: int) -> Any:
    """The same as plain JSON. A number that JSON can't hold is a text, and so is what lies deep.

    An act that was done is not to be told as failed for a long number in its answer.
    """
    match value:
        case None | bool():
            return value
        case int() | float():
            return value if _holds(value) else str(value)
        case str():
            return clean(value)
        case Mapping() if levels:
            return {clean(str(key)): carried(item, levels - 1) for key, item in value.items()}
        case list() | tuple() if levels:
            return [carried(item, levels - 1) for item in value]
    return clean(_as_text(value))


def _holds(number: float) -> bool:
    try:
        canonical.normalise(number)
    except canonical.NotCanonical:
        return False
    return True


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"[{type(value).__name__}]"
