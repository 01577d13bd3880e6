"""The bytes between a service and a process of its sandbox: a length, and that much JSON."""

import json
import struct
from typing import Any, Final

import orjson

HEAD: Final = struct.Struct(">I")
# of a job; what a run stores of its steps is smaller
MAX_JOB: Final = 64 << 20
# of an answer: more than the largest rendered config
MAX_ANSWER: Final = 16 << 20


def encode(value: Any) -> bytes:
    """Encodes a value as a frame: a number of any size and half a surrogate pair are kept."""
    try:
        body = orjson.dumps(value)
    except TypeError:
        return encode_within_limits(value)
    return HEAD.pack(len(body)) + body


def encode_within_limits(value: Any) -> bytes:
    """The same in a process with little memory. Raises MemoryError, where orjson crashes."""
    body = json.dumps(value).encode()
    return HEAD.pack(len(body)) + body


def decode(body: bytes) -> Any:
    """Decodes the body of a frame. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def decode_within_limits(body: bytes) -> Any:
    """The same in a process with little memory. Raises ValueError, and MemoryError."""
    return json.loads(body)
