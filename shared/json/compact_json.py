"""JSON without spaces, as it is stored and sent."""

import json
import math
from typing import Any, Final

import orjson

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# As the encoder of the standard library, which refuses these.
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dump(value: Any) -> str:
    """Returns the JSON of a value. Raises TypeError or ValueError for what JSON does not have.

    Integers may have any number of digits. NaN and infinities are written as such, so that
    PostgreSQL refuses them.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS).decode()
    except TypeError:  # large integers, keys that are no text, lone surrogates, deep values
        return _ENCODER.encode(value)
    return _ENCODER.encode(value) if "null" in text and _has_nonfinite(value) else text


def _has_nonfinite(value: Any) -> bool:
    """Returns True for a value with a NaN or an infinity, for which orjson writes null."""
    match value:
        case float():
            return not math.isfinite(value)
        case dict():
            return any(map(_has_nonfinite, value.values()))
        case list() | tuple():
            return any(map(_has_nonfinite, value))
    return False
