"""Messages as JSON: the proto mapping, with the field names of the contract."""

import json
from collections.abc import Mapping
from typing import Any

import betterproto2

from rota_client.gen.google.protobuf import Struct


def to_plain(message: betterproto2.Message) -> dict[str, Any]:
    plain: dict[str, Any] = _whole(message.to_dict(casing=betterproto2.Casing.SNAKE))
    return plain


def to_json(message: betterproto2.Message, *, indent: int | None = 2) -> str:
    return dump(to_plain(message), indent=indent)


def struct(value: Struct | None) -> dict[str, Any]:
    """A Struct as plain values; an absent one is empty."""
    return {} if value is None else to_plain(value)


def dump(value: Mapping[str, Any], *, indent: int | None = 2, ordered: bool = False) -> str:
    """`ordered` by key: a Struct has no order of its own."""
    return json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=ordered)


def _whole(value: Any) -> Any:
    """Numbers of a Struct are doubles; 5.0 was a 5."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(entry) for key, entry in value.items()}
        case list():
            return [_whole(entry) for entry in value]
        case _:
            return value
