"""The canonical form of JSON values, for digests and comparisons."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import rfc8785

from shared.json.json_path import join_path

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 64


class NotCanonical(ValueError):
    """A value that JSON between our services cannot carry. `path` says where."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'value'}: {problem}")
        self.path = path
        self.problem = problem


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of the normalised value. Raises NotCanonical."""
    return rfc8785.dumps(normalise(value))


def normalise(value: Any, max_depth: int = MAX_DEPTH) -> Any:
    """A deep copy in plain JSON types, with integral floats as ints.

    Raises NotCanonical for NaN, infinities, integral numbers beyond ±(2^53-1),
    NUL and lone surrogates in keys or strings, types that are not JSON's, and
    nesting deeper than `max_depth`.
    """
    try:
        return _copy(value, max_depth)
    except _NotPlain:
        return _normalise(value, "", max_depth, max_depth)


class _NotPlain(Exception):
    """A value that `_normalise` has to look at: it knows the path of what is wrong."""


def _copy(value: Any, levels: int) -> Any:
    """The same for values whose types are exactly JSON's, several times faster."""
    kind = type(value)
    if kind is str:
        return _plain_text(value)
    if value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return _plain_number(value)
    if levels == 0:
        raise _NotPlain
    if kind is dict:
        return {
            _plain_text(key) if type(key) is str else _refuse(): _copy(item, levels - 1)
            for key, item in value.items()
        }
    if kind is list:
        return [_copy(item, levels - 1) for item in value]
    raise _NotPlain


def _refuse() -> str:
    raise _NotPlain


def _plain_text(text: str) -> str:
    if "\x00" in text or not (text.isascii() or _is_encodable(text)):
        raise _NotPlain
    return text


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_number(value: int | float) -> int | float:
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:  # nor NaN
        if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
            return value
        raise _NotPlain
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _normalise(value: Any, path: str, levels: int, most: int) -> Any:
    """Copies what may have `levels` more; `most` is how many the whole may have."""
    match value:
        case None | bool():
            return value
        case str():
            return _string(value, path)
        case int() | float():
            return _number(value, path)
    if levels == 0:
        raise NotCanonical(path, f"nests too deeply: at most {most} levels")
    match value:
        case Mapping():
            return {
                _key(key, path): _normalise(item, join_path(path, [key]), levels - 1, most)
                for key, item in value.items()
            }
        case list() | tuple():
            return [
                _normalise(item, f"{path}[{i}]", levels - 1, most) for i, item in enumerate(value)
            ]
    raise NotCanonical(path, f"{type(value).__name__} is not a JSON type")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise NotCanonical(path, f"key of type {type(key).__name__}; keys are strings")
    return _string(key, join_path(path, [key]))


def _string(value: str, path: str) -> str:
    if "\x00" in value:
        raise NotCanonical(path, "contains NUL (U+0000)")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise NotCanonical(path, "contains a lone surrogate") from exc
    return str.__str__(value)  # an enum's value, not its name


def _number(value: int | float, path: str) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotCanonical(path, "NaN and infinities are not JSON numbers")
        if not value.is_integer():
            return value
    whole = int(value)
    if abs(whole) > MAX_SAFE_INTEGER:
        raise NotCanonical(path, "integral number beyond ±(2^53-1); send it as a string")
    return whole
