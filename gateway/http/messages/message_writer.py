"""Messages as JSON, with the names of the proto."""

import json
from typing import Any, Final

from google.protobuf import json_format

# Up to here every whole number is a double of its own.
_LARGEST_WHOLE: Final = 1 << 53


def write(message: Any, pool: Any) -> bytes:
    """Returns compact UTF-8 JSON of what is set; `pool` knows what an Any holds."""
    return dump(to_json(message, pool))


def to_json(message: Any, pool: Any) -> Any:
    """Returns JSON's plain values. A whole number is an int: those of a Struct are doubles."""
    return _whole(
        json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool)
    )


def _whole(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) <= _LARGEST_WHOLE else value
    if kind is dict:
        return {name: _whole(item) for name, item in value.items()}
    if kind is list:
        return [_whole(item) for item in value]
    return value


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
