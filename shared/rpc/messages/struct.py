"""google.protobuf.Struct and Value as plain JSON values, and back."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message

from shared import errors
from shared.json import canonical_json
from shared.json.json_path import append_path


def to_json(message: struct_pb2.Struct | struct_pb2.Value) -> Any:
    """The JSON value in normal form: a Struct's numbers are doubles, here 3.0 is 3.

    Raises NotCanonical, also for the numbers that a Struct has and JSON has not.
    """
    found = _read_struct(message) if isinstance(message, struct_pb2.Struct) else _read(message)
    return canonical_json.normalise(found)


def to_dict(message: Message) -> dict[str, Any]:
    """A message that holds Structs as JSON with the contract's names, each Struct as `to_json`.

    Raises NotCanonical.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    found = dict(_take_structs(copy, ()))
    whole = json_format.MessageToDict(copy, preserving_proto_field_name=True)
    for way, value in found.items():
        holder: Any = whole
        for step in way[:-1]:
            holder = holder[step]
        holder[way[-1]] = value
    plain: dict[str, Any] = canonical_json.normalise(whole)
    return plain


def _take_structs(
    message: Message, way: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Empties every Struct of a message, and yields the way to each with what it held."""
    for field, value in message.ListFields():
        here = (*way, field.name)
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                yield from _take_structs(item, (*here, index))
        elif isinstance(value, struct_pb2.Struct):
            yield here, _read_struct(value)
            value.Clear()
            value.SetInParent()
        else:
            yield from _take_structs(value, here)


def _read_struct(message: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _read(value) for key, value in message.fields.items()}


def _read(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _read_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _read_struct(value.struct_value)
    if kind == "list_value":
        return [_read(item) for item in value.list_value.values]
    return None


def _read_number(number: float) -> float:
    if not math.isfinite(number):
        raise canonical_json.NotCanonical("", "holds a number that JSON can't express")
    return number


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
