"""Values of single fields in JSON and in a query: numbers, enums, bytes, times and masks."""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.http.messages.names import to_snake

_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION: Final = re.compile(r"-?\d{1,12}(\.\d{1,9})?s", re.ASCII)
_WHOLE: Final = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MASK: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_`*-]+)*")
_LARGEST_FLOAT: Final = 3.4028234663852886e38


class WrongValue(ValueError):
    """The value is not one of the field's type; the message says what is wanted."""


def read_scalar(field: FieldDescriptor, value: Any) -> Any:
    """Returns the value for a field that is no message. Raises WrongValue."""
    if field.enum_type is not None:
        return _enum(field.enum_type, value)
    return _READERS[field.type](value)


def read_word(field: FieldDescriptor, text: str) -> Any:
    """Returns the value of a scalar field from a query or the key of a map. Raises WrongValue."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        if text not in ("true", "false"):
            raise WrongValue("must be true or false")
        return text == "true"
    return read_scalar(field, text)


def read_well_known(kind: str, value: Any) -> Any:
    """Returns the message of a kind in WELL_KNOWN from its JSON string. Raises WrongValue."""
    return WELL_KNOWN[kind](_string(value))


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"must be a string, not {describe(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WrongValue("holds half of a surrogate pair") from None
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValue(f"must be true or false, not {describe(value)}")
    return value


def _bytes(value: Any) -> bytes:
    text = _string(value).replace("-", "+").replace("_", "/")
    padding = "" if text.endswith("=") else "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(text + padding, strict_mode=True)
    except ValueError:
        raise WrongValue("must be base64") from None


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        found = value
        if isinstance(value, str):
            if not _WHOLE.fullmatch(value) or len(value) > 20:
                raise WrongValue("must be a whole number")
            found = int(value)
        elif isinstance(value, float) and value.is_integer():
            found = int(value)
        if isinstance(found, float) and math.isinf(found):
            raise WrongValue("is too large")
        if isinstance(found, float):
            raise WrongValue("must be a whole number, without a fraction")
        if isinstance(found, bool) or not isinstance(found, int):
            raise WrongValue(f"must be a whole number, not {describe(value)}")
        if not least <= found <= most:
            # Of the wire's kind: what the field itself takes is the service's to say.
            raise WrongValue("is too large" if found > most else "is too small")
        return found

    return read


def _double(value: Any) -> float:
    if isinstance(value, str):
        if value in _NAMED:
            return _NAMED[value]
        if not _DECIMAL.fullmatch(value) or len(value) > 400:
            raise WrongValue("must be a number")
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue(f"must be a number, not {describe(value)}")
    try:
        found = float(value)
    except OverflowError:
        raise WrongValue("is too large") from None
    if math.isinf(found):
        raise WrongValue("is too large")
    return found


def _float(value: Any) -> float:
    found = _double(value)
    if math.isfinite(found) and abs(found) > _LARGEST_FLOAT:
        raise WrongValue("is too large")
    return found


def _enum(kind: EnumDescriptor, value: Any) -> int:
    if isinstance(value, str) and _string(value) in kind.values_by_name:
        return int(kind.values_by_name[value].number)
    if type(value) is int and value in kind.values_by_number:
        return value
    names = ", ".join(one.name for one in kind.values[:30])
    raise WrongValue(f"must be one of {names}")


def _timestamp(text: str) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    wanted = 'must be a time of RFC 3339, such as "2026-01-31T09:00:00Z"'
    if not _TIME.fullmatch(text):
        raise WrongValue(wanted)
    try:
        found.FromJsonString(text.upper())
    except ValueError:
        raise WrongValue(wanted) from None
    return found


def _duration(text: str) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    wanted = 'must be seconds with their unit, such as "90s"'
    if not _DURATION.fullmatch(text):
        raise WrongValue(wanted)
    try:
        found.FromJsonString(text)
    except ValueError:
        raise WrongValue(wanted) from None
    return found


def _mask(text: str) -> list[str]:
    paths = [part.strip() for part in text.split(",")] if text else []
    for path in paths:
        if not _MASK.fullmatch(path) and path != "*":
            raise WrongValue('must be names of fields, such as "display_name,definition"')
    return [".".join(to_snake(name) for name in path.split(".")) for path in paths]


def describe(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
    return "an object"


_NAMED: Final[Mapping[str, float]] = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}
_INT32: Final = _whole(-(1 << 31), (1 << 31) - 1)
_INT64: Final = _whole(-(1 << 63), (1 << 63) - 1)
_UINT32: Final = _whole(0, (1 << 32) - 1)
_UINT64: Final = _whole(0, (1 << 64) - 1)
_READERS: Final[Mapping[int, Callable[[Any], Any]]] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_FLOAT: _float,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
# The messages that JSON writes as a string, and what fills them.
WELL_KNOWN: Final[Mapping[str, Callable[[str], Any]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _mask,
}
