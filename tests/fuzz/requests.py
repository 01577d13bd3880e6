"""Requests by descriptor: made anew, or from one that was answered, with some of it changed."""

import contextlib
import copy
from collections.abc import Iterator
from random import Random
from typing import Any, Final, cast

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz import open_json, values
from tests.fuzz.stock import Stock, kind_of

F: Final = FieldDescriptor
MOST_BYTES: Final = 6 << 20
_DEEPEST: Final = 6


class Requests:
    """`seeds` are requests that were answered, by method."""

    def __init__(self, dice: Random, stock: Stock, seeds: dict[str, list[Message]]) -> None:
        self._dice = dice
        self._stock = stock
        self._seeds = seeds

    def make(self, method: str, kind: Descriptor) -> Message:
        """A request; three of four come from a seed, and one of three has nothing odd in it."""
        dice = self._dice
        wild = dice.choice((0.0, 0.02, 0.3))
        seeds = self._seeds.get(method)
        if seeds is None or dice.random() < 0.25:
            return self._new(kind, wild, 0)
        made = copy.deepcopy(dice.choice(seeds))
        self._refresh(made, wild)
        for _ in range(dice.choice((0, 1, 1, 2, 4))):
            self.change(made, wild or 0.05)
        return made

    def change(self, message: Message, wild: float) -> None:
        """Changes one place of the request, at any depth."""
        dice = self._dice
        at: Any = dice.choice(list(_messages(message)))
        fields = [f for f in at.DESCRIPTOR.fields if dice.random() < 0.5 or not _is_output(f)]
        if not fields:
            return
        field = dice.choice(fields)
        match dice.randrange(5):
            case 0:
                at.ClearField(field.name)
            case 1 if hasattr(getattr(at, field.name), "append") and getattr(at, field.name):
                self._repeat(at, field)
            case _:
                self._fill(at, field, wild, _depth(message, at))

    def _new(self, kind: Descriptor, wild: float, depth: int) -> Message:
        made = GetMessageClass(kind)()
        for field in kind.fields:
            needed = _is_required(field) or "pattern" in str(values.rules_of(field).string)
            chance = 0.97 if _is_required(field) else 0.02 if _is_output(field) else 0.3
            if self._dice.random() < max(chance, 0.5 if needed else 0.0):
                self._fill(made, field, wild, depth)
        return made

    def _fill(self, at: Any, field: FieldDescriptor, wild: float, depth: int) -> None:
        dice = self._dice
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(at, field)
        elif field.is_repeated:
            at.ClearField(field.name)
            for _ in range(dice.choice((0, 1, 1, 2, 5))):
                if field.message_type is not None:
                    # One that is too deep can't be copied.
                    with contextlib.suppress(DecodeError):
                        getattr(at, field.name).append(self._message(field, wild, depth + 1))
                else:
                    getattr(at, field.name).append(self._scalar(at, field, wild))
        elif field.message_type is not None:
            with contextlib.suppress(DecodeError):
                getattr(at, field.name).CopyFrom(self._message(field, wild, depth + 1))
        else:
            setattr(at, field.name, self._scalar(at, field, wild))

    def _fill_map(self, at: Any, field: FieldDescriptor) -> None:
        """Maps of a request hold texts."""
        for _ in range(self._dice.choice((1, 2, 21))):
            key = self._dice.choice((*values.WORDS, *values.ODD_TEXTS))
            odd = self._dice.choice(values.ODD_TEXTS)
            getattr(at, field.name)[key] = f"{values.PLANTED}{odd}"

    def _message(self, field: FieldDescriptor, wild: float, depth: int) -> Any:
        dice, kind = self._dice, cast(Descriptor, field.message_type)
        made: Any = GetMessageClass(kind)()
        match kind.full_name:
            case "google.protobuf.Struct":
                made.update(open_json.an_object(field, dice, wild))
            case "google.protobuf.Value":
                made.string_value = dice.choice(values.ODD_TEXTS)
            case "google.protobuf.Timestamp" | "google.protobuf.Duration":
                made.seconds, made.nanos = values.a_moment(dice, wild)
            case "google.protobuf.FieldMask":
                made.paths.extend(self._paths(field, wild))
            case _ if depth < _DEEPEST:
                made = self._new(kind, wild, depth)
        return made

    def _scalar(self, at: Any, field: Any, wild: float) -> Any:
        dice, stock = self._dice, self._stock
        match field.cpp_type:
            case F.CPPTYPE_STRING if field.type == F.TYPE_BYTES:
                return values.some_bytes(dice)
            case F.CPPTYPE_STRING:
                if field.name == "name" and (kind := _resource(at.DESCRIPTOR)):
                    return values.a_name(kind, dice, stock, wild)
                return values.a_text(field, dice, stock, wild)
            case F.CPPTYPE_BOOL:
                return dice.random() < 0.5
            case F.CPPTYPE_ENUM:
                known = [value.number for value in field.enum_type.values]
                return dice.choice([*known, 99, -1] if dice.random() < wild else known)
            case F.CPPTYPE_DOUBLE | F.CPPTYPE_FLOAT:
                return values.a_double(dice, wild)
            case _:
                return values.a_number(field, dice, stock, wild)

    def _paths(self, field: Any, wild: float) -> Iterator[str]:
        """Paths of the message that stands beside a mask."""
        dice = self._dice
        beside = [
            f for f in field.containing_type.fields if f.message_type is not None and f != field
        ]
        for _ in range(dice.choice((0, 1, 1, 2))):
            if not beside or dice.random() < wild:
                yield dice.choice(("", "*", "a.b", "name", "state", "definition.plan", "é", "-"))
            else:
                yield dice.choice(beside[0].message_type.fields).name

    def _repeat(self, at: Any, field: FieldDescriptor) -> None:
        """One item many times over; the limits of lists are 10 to 100."""
        box = getattr(at, field.name)
        items = list(box)
        room = MOST_BYTES // (at.ByteSize() + 1) + 1
        for _ in range(min(self._dice.choice((1, 20, 51, 101, 1_001)), room)):
            box.append(self._dice.choice(items))

    def _refresh(self, at: Any, wild: float) -> None:
        """Gives a copy of a seed ids of its own and names of what exists now."""
        for field, value in at.ListFields():
            if field.message_type is not None:
                if field.message_type.GetOptions().map_entry or field.message_type.file.package == (
                    "google.protobuf"
                ):
                    continue
                for item in value if field.is_repeated else [value]:
                    self._refresh(item, wild)
            elif field.name in ("request_id", "payload_digest"):
                setattr(at, field.name, values.a_text(field, self._dice, self._stock, wild))
            elif isinstance(value, str) and value.startswith("workspaces/"):
                name = values.a_name(kind_of(value), self._dice, self._stock, wild)
                setattr(at, field.name, name)
            elif field.name == "automation_id":
                setattr(at, field.name, "")


def to_json(message: Message) -> dict[str, Any] | None:
    """The request as JSON with the contract's names; None where JSON can't say it."""
    try:
        found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    except (json_format.Error, ValueError, OverflowError):
        return None
    return found


def _messages(message: Message) -> Iterator[Message]:
    """The message and those of ours inside."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or not field.message_type.full_name.startswith("rota."):
            continue
        if not field.message_type.GetOptions().map_entry:
            for item in value if field.is_repeated else [value]:
                yield from _messages(item)


def _depth(message: Message, at: Message) -> int:
    return 0 if message is at else 2


def _resource(kind: Descriptor) -> str:
    patterns = kind.GetOptions().Extensions[resource_pb2.resource].pattern
    return kind_of(patterns[0]) if patterns else ""


def _behaviors(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in _behaviors(field)


def _is_output(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in _behaviors(field)
