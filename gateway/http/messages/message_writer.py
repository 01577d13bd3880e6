"""Messages as JSON, with the names of the proto."""

import json
from typing import Any

from google.protobuf import json_format


def write(message: Any, pool: Any) -> bytes:
    """Returns compact UTF-8 JSON of what is set; `pool` knows what an Any holds."""
    return dump(to_json(message, pool))


def to_json(message: Any, pool: Any) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=pool
    )


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
