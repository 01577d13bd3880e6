"""google.protobuf.Struct and Value as plain JSON values, and back."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

from shared import canonical_json, errors
from shared.json_path import append_path


def to_json(message: struct_pb2.Struct | struct_pb2.Value) -> Any:
    """The JSON value in normal form: a Struct's numbers are doubles, here 3.0 is 3.

    Raises NotCanonical, also for the numbers that a Struct has and JSON has not.
    """
    try:
        found = json_format.MessageToDict(message)
    except ValueError as exc:
        raise canonical_json.NotCanonical("", "holds a number that JSON can't say") from exc
    return canonical_json.normalise(found)


def read_json(message: struct_pb2.Struct | struct_pb2.Value, field: str) -> Any:
    """The JSON value of a request's field, as `to_json` gives it. Raises InvalidRequest."""
    try:
        return to_json(message)
    except canonical_json.NotCanonical as error:
        raise refuse(error, field) from error


def refuse(error: canonical_json.NotCanonical, field: str) -> errors.InvalidRequest:
    """The refusal of what is in a request's field."""
    path = append_path(field, error.path)
    return errors.invalid(path, error.problem, errors.FieldReason.NOT_CANONICAL)


def to_struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    json_format.ParseDict(canonical_json.normalise(dict(value)), found)
    return found


def to_value(of: Any) -> struct_pb2.Value:
    found = struct_pb2.Value()
    json_format.ParseDict(canonical_json.normalise(of), found)
    return found
