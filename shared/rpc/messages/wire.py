"""The bytes of a message before it is parsed: how many fields they have, and which."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from shared import errors
from shared.errors import FieldReason

# In a request, those in open objects aside. Each takes memory and time, however small it is.
MAX_FIELDS: Final = 20_000

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
# A varint has at most so many bytes.
_LONGEST: Final = 10
_KNOWN_TYPES: Final = "google.protobuf."


def check_field_count(message: Descriptor, raw: bytes) -> None:
    """Raises InvalidRequest for bytes that have more than MAX_FIELDS fields, without a parse.

    Open objects, masks and their like count as one. Bytes that are no message are left to the
    parser.
    """
    try:
        found = _find_overfull(message, raw)
    except (IndexError, _NoMessage):
        return
    if found is not None:
        raise errors.invalid(
            found, f"is too much: a request has at most {MAX_FIELDS} fields", FieldReason.TOO_LARGE
        )


def list_numbers(raw: bytes) -> Iterator[int]:
    """Yields the numbers of the fields of a serialized message, not those inside them."""
    at, depth = 0, 0
    while at < len(raw):
        key, at = _read_varint(raw, at)
        kind = key & 7
        if depth == 0:
            yield key >> 3
        if kind == _GROUP:
            depth += 1
        elif kind == _GROUP_END:
            depth -= 1
        else:
            at = _skip(raw, at, kind)


class _NoMessage(Exception):
    """The bytes are not those of a message."""


def _find_overfull(message: Descriptor, raw: bytes) -> str | None:
    """The path of the field that is one too many. Inner messages are read after outer ones."""
    left = MAX_FIELDS
    parts = [(0, len(raw), message, "")]
    while parts:
        at, end, known, path = parts.pop()
        inner = _list_inner(known)
        while at < end:
            key, at = _read_varint(raw, at)
            left -= 1
            if left < 0:
                field = known.fields_by_number.get(key >> 3)
                name = f"#{key >> 3}" if field is None else field.name
                return f"{path}.{name}" if path else name
            if key & 7 == _BYTES:
                size, at = _read_varint(raw, at)
                part = inner.get(key >> 3)
                if part is not None and size:
                    kind, name = part
                    parts.append((at, at + size, kind, f"{path}.{name}" if path else name))
                at += size
            else:
                at = _skip(raw, at, key & 7)
    return None


@cache
def _list_inner(message: Descriptor) -> Mapping[int, tuple[Descriptor, str]]:
    """The fields of a message whose values have fields that are counted, by their numbers."""
    return {
        field.number: (kind, field.name)
        for field in message.fields
        if (kind := _kind(field)) is not None and not kind.full_name.startswith(_KNOWN_TYPES)
    }


def _kind(field: FieldDescriptor) -> Descriptor | None:
    return field.message_type


def _skip(raw: bytes, at: int, kind: int) -> int:
    """Where the value that begins there ends. A group ends at once: its fields come next."""
    match kind:
        case 0:
            return _read_varint(raw, at)[1]
        case 1:
            return at + 8
        case 2:
            size, at = _read_varint(raw, at)
            return at + size
        case 3 | 4:
            return at
        case 5:
            return at + 4
        case _:
            raise _NoMessage


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """Raises IndexError for bytes that end before it does."""
    byte = raw[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    for place in range(1, _LONGEST):
        byte = raw[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _NoMessage
