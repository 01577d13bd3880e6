"""Envelopes: how the messages of a Connect stream stand in a body."""

import struct
from typing import Final

from google.rpc import code_pb2

from gateway.http.refusal import refuse, refuse_malformed

COMPRESSED: Final = 0b01
END: Final = 0b10
_HEAD: Final = struct.Struct(">BI")


def wrap(message: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(flags, len(message)) + message


def unwrap(body: bytes) -> bytes:
    """Returns the one message of a request. Raises Refusal for anything else."""
    if len(body) < _HEAD.size:
        raise refuse_malformed("the body is not an envelope: a byte of flags and four of length")
    flags, length = _HEAD.unpack_from(body)
    if flags & COMPRESSED:
        raise refuse(code_pb2.UNIMPLEMENTED, "NOT_SERVED", "the message must not be compressed")
    if flags:
        raise refuse_malformed(f"the envelope has unknown flags, {flags}")
    message = body[_HEAD.size :]
    if len(message) != length:
        raise refuse_malformed(
            f"the body must be one envelope: its head says {length} bytes, {len(message)} follow"
        )
    return message
