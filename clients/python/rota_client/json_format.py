"""Messages → JSON: the proto mapping, with the field names of the contract."""

import json
from collections.abc import Mapping
from typing import Any

import betterproto2

from rota_client.gen.google.protobuf import Struct
from rota_client.invisible_characters import find_invisible


def to_dict(message: betterproto2.Message) -> dict[str, Any]:
    plain: dict[str, Any] = _whole(message.to_dict(casing=betterproto2.Casing.SNAKE))
    return plain


def to_json(message: betterproto2.Message, *, indent: int | None = 2) -> str:
    return dump_json(to_dict(message), indent=indent)


def struct_to_dict(value: Struct | None) -> dict[str, Any]:
    """Returns {} for None."""
    return {} if value is None else to_dict(value)


def dump_json(value: Mapping[str, Any], *, indent: int | None = 2, ordered: bool = False) -> str:
    """Writes JSON in which characters that nobody sees are escaped, for terminals and eyes.

    `ordered` sorts by key: a Struct has no order.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=ordered)
    hidden = {found.index for found in find_invisible(text)}
    if not hidden:
        return text
    return "".join(json.dumps(c)[1:-1] if at in hidden else c for at, c in enumerate(text))


def _whole(value: Any) -> Any:
    """Converts whole floats to int: numbers of a Struct are doubles."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(entry) for key, entry in value.items()}
        case list():
            return [_whole(entry) for entry in value]
        case _:
            return value
