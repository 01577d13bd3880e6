"""Errors as the Connect protocol writes them."""

import base64
from typing import Any, Final

from google.rpc import code_pb2, status_pb2

_ANY: Final = "type.googleapis.com/"


def to_json(status: status_pb2.Status) -> dict[str, Any]:
    """Returns `code`, `message` and `details`; each detail is a type and base64."""
    found: dict[str, Any] = {"code": code_name(status.code), "message": status.message}
    details = [
        {
            "type": one.type_url.removeprefix(_ANY),
            "value": base64.b64encode(one.value).decode().rstrip("="),
        }
        for one in status.details
    ]
    return found | ({"details": details} if details else {})


def code_name(code: int) -> str:
    """Returns Connect's name of a code of gRPC, such as `not_found`."""
    name = code_pb2.Code.Name(code) if code in code_pb2.Code.values() else "UNKNOWN"
    # Connect writes this one with a single l.
    return "canceled" if name == "CANCELLED" else name.lower()
