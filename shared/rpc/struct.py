"""google.protobuf.Struct and Value as plain JSON values, and back."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

from shared import canonical_json


def to_json(message: struct_pb2.Struct | struct_pb2.Value) -> Any:
    """The JSON value in normal form: a Struct's numbers are doubles, here 3.0 is 3.

    Raises NotCanonical, also for the numbers that a Struct has and JSON has not.
    """
    try:
        found = json_format.MessageToDict(message)
    except ValueError as exc:
        raise canonical_json.NotCanonical("", "holds a number that JSON can't say") from exc
    return canonical_json.normalise(found)


def to_struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    json_format.ParseDict(canonical_json.normalise(dict(value)), found)
    return found


def to_value(of: Any) -> struct_pb2.Value:
    found = struct_pb2.Value()
    json_format.ParseDict(canonical_json.normalise(of), found)
    return found
