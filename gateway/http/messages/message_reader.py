"""JSON values as messages, by their descriptors; what does not fit is a violation with its path."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.http.messages.json_text import DoubledObject
from gateway.http.messages.names import FieldPath, fields_of, format_path, nearest
from gateway.http.messages.scalar import (
    WELL_KNOWN,
    WrongValue,
    describe,
    read_scalar,
    read_well_known,
    read_word,
)
from gateway.http.refusal import Violation

# What protobuf's parsers take. An object of a Struct takes three of them, a list two.
DEEPEST_MESSAGE: Final = 96
# What is wrong beyond so many violations is not looked for.
MOST_VIOLATIONS: Final = 1000
# The limit of what a definition holds, which is less than parsers take.
DEEPEST_OBJECT: Final = 24
_TOO_DEEP: Final = f"nests too deeply: at most {DEEPEST_OBJECT} levels"
_HALF: Final = "holds half of a surrogate pair"
_STRUCT: Final = "google.protobuf.Struct"
_VALUE: Final = "google.protobuf.Value"
_LIST: Final = "google.protobuf.ListValue"


class TooMany(Exception):
    """There are so many violations that the rest is not worth a look."""


@dataclass(slots=True)
class MessageReader:
    """Fills messages and collects what is wrong with their JSON."""

    violations: list[Violation] = field(default_factory=list)

    def read(self, message: Any, value: Any, at: FieldPath, depth: int = 1) -> None:
        """Fills a message from its JSON value; `at` is the path of the value."""
        kind: Descriptor = message.DESCRIPTOR
        special = _SPECIAL.get(kind.full_name)
        if depth > DEEPEST_MESSAGE:
            self._refuse(at, _TOO_DEEP, "NOT_CANONICAL")
        elif special is not None:
            special(self, message, value, at, depth)
        elif kind.full_name in WELL_KNOWN:
            self._well_known(message, value, at)
        elif self._is_object(value, at):
            self._members(message, value, at, depth)

    def add(self, path: str, description: str, reason: str) -> None:
        """Raises TooMany."""
        self.violations.append(Violation(field=path, description=description, reason=reason))
        if len(self.violations) >= MOST_VIOLATIONS:
            raise TooMany

    def _refuse(self, at: FieldPath, description: str, reason: str) -> None:
        self.add(format_path(at), description, reason)

    def _is_object(self, value: Any, at: FieldPath) -> bool:
        if not isinstance(value, dict):
            self._refuse(at, f"must be an object, not {describe(value)}", "INVALID")
            return False
        if isinstance(value, DoubledObject):
            for name in value.names:
                self._refuse((at, name), "stands twice in this object", "DUPLICATE_FIELD")
        return True

    def _members(self, message: Any, value: dict[str, Any], at: FieldPath, depth: int) -> None:
        kind: Descriptor = message.DESCRIPTOR
        known = fields_of(kind)
        seen: dict[str, str] = {}
        for name, item in value.items():
            path = (at, name)
            found = known.get(name)
            if found is None:
                self._unknown(kind, name, path)
            elif found.name in seen:
                self._refuse(path, f"is the same field as {seen[found.name]}", "DUPLICATE_FIELD")
            else:
                seen[found.name] = name
                self._field(message, found, item, path, depth)

    def _unknown(self, kind: Descriptor, name: str, path: FieldPath) -> None:
        meant = nearest(kind, name)
        hint = f"; did you mean {meant}?" if meant else ""
        self._refuse(path, f"is not a field of this object{hint}", "UNKNOWN_FIELD")

    def _field(
        self, message: Any, found: FieldDescriptor, value: Any, path: FieldPath, depth: int
    ) -> None:
        if value is None and not _takes_null(found):
            return  # as if it were not there
        group = found.containing_oneof
        if group is not None and (other := message.WhichOneof(group.name)):
            self._refuse(path, f"excludes {other}: give one of them", "INVALID")
        elif _is_map(found):
            self._map(message, found, value, path, depth)
        elif found.is_repeated:
            self._list(message, found, value, path, depth)
        elif found.message_type is not None:
            made = getattr(message, found.name)
            made.SetInParent()
            self.read(made, value, path, depth + 1)
        else:
            self._scalar(found, value, path, partial(setattr, message, found.name))

    def _list(
        self, message: Any, found: FieldDescriptor, value: Any, at: FieldPath, depth: int
    ) -> None:
        if not isinstance(value, list):
            self._refuse(at, f"must be a list, not {describe(value)}", "INVALID")
            return
        held = getattr(message, found.name)
        for index, item in enumerate(value):
            path = (at, index)
            if found.message_type is not None:
                self.read(held.add(), item, path, depth + 1)
            else:
                self._scalar(found, item, path, held.append)

    def _map(
        self, message: Any, found: FieldDescriptor, value: Any, at: FieldPath, depth: int
    ) -> None:
        if not self._is_object(value, at):
            return
        entry: Any = found.message_type.fields_by_name  # type: ignore[union-attr]
        held = getattr(message, found.name)
        for name, item in value.items():
            path = (at, name)
            try:
                key = read_word(entry["key"], name)
            except WrongValue as exc:
                self._refuse(path, f"its name {exc}", "INVALID")
                continue
            if entry["value"].message_type is not None:
                self.read(held[key], item, path, depth + 2)
            else:
                self._scalar(entry["value"], item, path, partial(held.__setitem__, key))

    def _scalar(
        self, found: FieldDescriptor, value: Any, path: FieldPath, put: Callable[[Any], None]
    ) -> None:
        try:
            put(read_scalar(found, value))
        except WrongValue as exc:
            self._refuse(path, str(exc), "INVALID")

    def _well_known(self, message: Any, value: Any, at: FieldPath) -> None:
        try:
            put_well_known(message, value)
        except WrongValue as exc:
            self._refuse(at, str(exc), "INVALID")

    def _struct(self, message: Any, value: Any, at: FieldPath, depth: int) -> None:
        if self._is_object(value, at):
            held = message.fields
            for name, item in value.items():
                try:
                    made = held[name]
                except UnicodeEncodeError:
                    self._refuse((at, name), _HALF, "NOT_CANONICAL")
                else:
                    self._value(made, item, (at, name), depth + 2)

    def _value(self, message: Any, value: Any, at: FieldPath, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self._text(message, value, at)
        elif kind is int or kind is float:
            self._number(message, value, at)
        elif kind is bool:
            message.bool_value = value
        elif value is None:
            message.null_value = 0
        elif depth > DEEPEST_MESSAGE:
            self._refuse(at, _TOO_DEEP, "NOT_CANONICAL")
        elif kind is list:
            message.list_value.SetInParent()
            self._values(message.list_value, value, at, depth + 1)
        else:
            message.struct_value.SetInParent()
            self._struct(message.struct_value, value, at, depth + 1)

    def _text(self, message: Any, value: str, at: FieldPath) -> None:
        try:
            message.string_value = value
        except UnicodeEncodeError:
            self._refuse(at, _HALF, "NOT_CANONICAL")

    def _number(self, message: Any, value: float, at: FieldPath) -> None:
        try:
            message.number_value = value
            too_large = math.isinf(value)
        except OverflowError:
            too_large = True
        if too_large:
            self._refuse(at, "is too large", "NOT_CANONICAL")

    def _values(self, message: Any, value: Any, at: FieldPath, depth: int) -> None:
        if not isinstance(value, list):
            self._refuse(at, f"must be a list, not {describe(value)}", "INVALID")
            return
        for index, item in enumerate(value):
            self._value(message.values.add(), item, (at, index), depth + 1)


_SPECIAL: Final[dict[str, Callable[[MessageReader, Any, Any, FieldPath, int], None]]] = {
    _STRUCT: MessageReader._struct,
    _VALUE: MessageReader._value,
    _LIST: MessageReader._values,
}


def put_well_known(message: Any, value: Any) -> None:
    """Fills a Timestamp, Duration or FieldMask of any pool. Raises WrongValue."""
    kind = message.DESCRIPTOR.full_name
    found = read_well_known(kind, value)
    if kind == "google.protobuf.FieldMask":
        message.paths.extend(found)
    else:
        message.seconds, message.nanos = found.seconds, found.nanos


def _takes_null(found: FieldDescriptor) -> bool:
    kind = found.message_type
    return kind is not None and not found.is_repeated and kind.full_name == _VALUE


def _is_map(found: FieldDescriptor) -> bool:
    kind = found.message_type
    return kind is not None and found.is_repeated and bool(kind.GetOptions().map_entry)
