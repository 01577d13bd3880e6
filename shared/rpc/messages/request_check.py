"""Whether a request can be served by its form: its fields, its values and their rules."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

import protovalidate
from buf.validate import validate_pb2
from google.api import field_behavior_pb2, resource_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from shared import errors
from shared.errors import FieldReason, FieldViolation
from shared.json.json_path import join_path
from shared.rpc.messages import wire
from shared.text import rule_words

# In the open objects of a request together. A definition has no more.
MAX_VALUES: Final = 20_000
# In the lists and maps of a request together, those in open objects aside. The contract bounds
# each at far less.
MAX_ITEMS: Final = 1_000
# What is wrong beyond so many violations, or so many characters of their paths, is not told.
MAX_VIOLATIONS: Final = 100
_MOST_TOLD: Final = 32 * 1024

_STRUCT: Final = "google.protobuf.Struct"
_OPEN: Final = (_STRUCT, "google.protobuf.ListValue", "google.protobuf.Value")
# The reason by the rule of buf.validate. A rule of ours in CEL has an entry by the name of its id.
RULES: Final[Mapping[str, FieldReason]] = {
    "required": FieldReason.REQUIRED,
    "defined_only": FieldReason.INVALID,
    "gt": FieldReason.INVALID,
    "gte": FieldReason.INVALID,
    "in": FieldReason.INVALID,
    "lte": FieldReason.INVALID,
    "max_bytes": FieldReason.INVALID,
    "max_items": FieldReason.INVALID,
    "max_len": FieldReason.INVALID,
    "max_pairs": FieldReason.INVALID,
    "min_items": FieldReason.INVALID,
    "min_len": FieldReason.INVALID,
    "pattern": FieldReason.INVALID,
    "unique": FieldReason.INVALID,
    "uuid": FieldReason.INVALID,
}
_ASK_FOR_A_VALUE: Final = frozenset({"min_items", "min_len", "pattern", "uuid"})
_ID: Final = re.compile(r"\{\w+\}")
_REQUIRED: Final = "is required"
_NUL: Final = "must not hold NUL"
_NUMBER: Final = "holds a number that JSON can't express"
_UNKNOWN: Final = "is not a field of this message"
_UNKNOWN_IN_ENTRY: Final = "has an entry with a field that no entry has"
_NO_KIND: Final = "has no value; null is one"
_NULL: Final = "has a null other than NULL_VALUE"


def check_request(request: Message) -> None:
    """Raises InvalidRequest for too many values, which are then not looked at.

    And for unknown fields, for what can't be stored, and for broken rules. Paths are those of the
    request's JSON.
    """
    reading = _RequestReader()
    reading.read(request)
    violations = [
        *reading.unknown,
        *reading.unstorable,
        *reading.overlong,
        *find_misnamed(request),
    ]
    told = {one.field for one in violations}
    for found in protovalidate.collect_violations(_leave_rules(request)):
        violation = to_violation(request, found)
        if violation.field not in told:
            violations.append(violation)
    if violations:
        raise errors.InvalidRequest(violations)


def to_violation(request: Message, found: protovalidate.Violation) -> FieldViolation:
    """Returns a broken rule in our words, with the path of the request's JSON."""
    path, choice = _read_path(cast(Descriptor, request.DESCRIPTOR), found.proto.field)
    reason = find_reason(found.proto.rule_id, is_empty=not found.field_value)
    if choice:
        members = [member.name for member in choice.fields if not _is_output(member)]
        described = f"needs one of {', '.join(members)}"
    else:
        described = _REQUIRED if reason is FieldReason.REQUIRED else _describe(found)
    return FieldViolation(field=path, description=described, reason=reason)


def find_reason(rule: str, *, is_empty: bool = False) -> FieldReason:
    """Returns the reason of a rule by its id: `string.pattern`, `int32.gte_lte`, `required`.

    What asks for a form asks for a value when there is none.
    """
    kind = rule.partition(".")[2] or rule
    while kind not in RULES and "_" in kind:  # `gte_lte` is told of a field with both
        kind = kind.rpartition("_")[0]
    if is_empty and kind in _ASK_FOR_A_VALUE:
        return FieldReason.REQUIRED
    return RULES.get(kind, FieldReason.INVALID)


def find_misnamed(request: Message) -> Iterator[FieldViolation]:
    """Yields the name of the resource that an update is about, if it has not the resource's form.

    The rules of other fields that hold names stand in the contract.
    """
    for field, template in _list_updated(cast(Descriptor, request.DESCRIPTOR)):
        name = getattr(request, field).name
        if request.HasField(field) and not re.fullmatch(_ID.sub("[^/]{1,63}", template), name):
            yield FieldViolation(
                field=f"{field}.name",
                description=rule_words.name_words(template, name) if name else _REQUIRED,
                reason=FieldReason.INVALID if name else FieldReason.REQUIRED,
            )


@cache
def _list_updated(request: Descriptor) -> list[tuple[str, str]]:
    """The resources that a request updates: their fields, and the forms of their names."""
    if not request.name.startswith("Update"):
        return []
    found = []
    for field in request.fields:
        kind = field.message_type
        if kind is not None and kind.GetOptions().HasExtension(resource_pb2.resource):
            found.append(
                (field.name, kind.GetOptions().Extensions[resource_pb2.resource].pattern[0])
            )
    return found


# The way to a value in an open object: the way to what holds it, and its key or index.
_Way = tuple[Any, str | int] | None


class _TooMuch(Exception):
    """A request has too many values, and the rest of it is not looked at."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(at)
        self.at = at
        self.what = what


class _RequestReader:
    """One look at all that a request holds, which ends where there is too much of it.

    What the service writes is ignored: it is neither counted nor looked at. `unstorable` are texts
    with NUL, which PostgreSQL does not store, and numbers that JSON does not have; MAX_VIOLATIONS
    at most.
    """

    def __init__(self) -> None:
        self.unknown: list[FieldViolation] = []
        self.unstorable: list[FieldViolation] = []
        self.overlong: list[FieldViolation] = []  # lists
        self._values_seen, self._items_seen = 0, 0
        self._at = ""  # the field of the open object that is read
        self._told = 0  # characters of the paths of what is wrong

    def read(self, request: Message) -> None:
        """Raises InvalidRequest for too many values."""
        try:
            self._read(request, "")
        except _TooMuch as found:
            raise errors.invalid(found.at, found.what, FieldReason.TOO_LARGE) from None
        known = type(request)()
        known.CopyFrom(request)
        known.DiscardUnknownFields()
        self._find_unknown(request, known, "")

    def _read(self, message: Message, at: str) -> None:
        match message.DESCRIPTOR.full_name:
            case "google.protobuf.Struct" | "google.protobuf.ListValue":
                self._at = at
                self._inner(cast(Any, message), None)
            case "google.protobuf.Value":
                self._at = at
                self._values([(None, message)], None)
            case "google.protobuf.FieldMask":
                paths = cast(Any, message).paths
                self._count_items(len(paths), at)
                if any("\0" in path for path in paths):
                    self._add(self.unstorable, _not_canonical(at, _NUL))
            case _:
                for field, value in message.ListFields():
                    self._field(field, value, join_path(at, [field.name]))

    def _field(self, field: FieldDescriptor, value: Any, at: str) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._count_items(len(value), at)
            for key, item in value.items():
                here = join_path(at, [_format_key(key)])
                if not self._text(str(key), here):
                    self._item(item, here)
        elif is_ignored(field):
            return
        elif field.is_repeated:
            self._count_items(len(value), at)
            if (most := _most_items(field)) and len(value) > most:
                told = rule_words.most_words(value, most)
                violation = FieldViolation(field=at, description=told, reason=FieldReason.INVALID)
                self._add(self.overlong, violation)
            for index, item in enumerate(value):
                self._item(item, join_path(at, [index]))
        else:
            self._item(value, at)

    def _item(self, item: Any, at: str) -> None:
        if isinstance(item, Message):
            self._read(item, at)
        elif isinstance(item, str):
            self._text(item, at)

    def _text(self, text: str, at: str) -> bool:
        """Whether a text can't be stored."""
        if found := "\0" in text:
            self._add(self.unstorable, _not_canonical(at, _NUL))
        return found

    def _find_unknown(self, message: Any, known: Any, at: str) -> None:
        """Finds the fields that a message has more than `known`, its copy without unknown ones.

        Only what differs is looked at, so that a request without unknown fields costs a copy.
        """
        if message.ByteSize() == known.ByteSize() or self._is_told():
            return
        self._tell_unknown(message, at)
        for way, part, same in _pair_parts(message, known):
            if self._is_told():
                return
            if part.ByteSize() != same.ByteSize():
                self._find_unknown(part, same, join_path(at, way))

    def _tell_unknown(self, message: Message, at: str) -> None:
        fields = cast(Descriptor, message.DESCRIPTOR).fields_by_number
        entries: dict[int, int] = {}
        for number in wire.list_numbers(message.SerializeToString()):
            if self._is_told():
                return
            if (field := fields.get(number)) is None:
                path, problem = f"{at}.#{number}" if at else f"#{number}", _UNKNOWN
                self._add(self.unknown, _unknown_field(path, problem))
            elif field.message_type is not None and field.message_type.GetOptions().map_entry:
                entries[number] = entries.get(number, 0) + 1
                # The library keeps an entry with an unknown field beside its map.
                if entries[number] > len(getattr(message, field.name)):
                    own = message.DESCRIPTOR.full_name == _STRUCT
                    path = at if own else join_path(at, [field.name])
                    self._add(self.unknown, _unknown_field(path, _UNKNOWN_IN_ENTRY))
                    return

    def _inner(self, holder: Any, way: _Way) -> None:
        """Reads the values of a Struct or of a ListValue."""
        if holder.DESCRIPTOR.full_name == _STRUCT:
            fields = holder.fields
            self._count_values(len(fields))
            for key in fields:
                if "\0" in key:
                    self._fault((way, key), _NUL)
            self._values(fields.items(), way)
        else:
            self._count_values(len(holder.values))
            self._values(enumerate(holder.values), way)

    def _values(self, held: Iterable[tuple[Any, Any]], way: _Way) -> None:
        for step, value in held:
            kind = value.WhichOneof("kind")
            if kind == "string_value":
                if "\0" in value.string_value:
                    self._fault((way, step), _NUL)
            elif kind == "number_value":
                if not math.isfinite(value.number_value):
                    self._fault((way, step), _NUMBER)
            elif kind is None:
                self._fault((way, step), _NO_KIND, FieldReason.INVALID)
            elif kind == "null_value":
                if value.null_value:
                    self._fault((way, step), _NULL, FieldReason.INVALID)
            elif kind == "struct_value":
                self._inner(value.struct_value, (way, step))
            elif kind == "list_value":
                self._inner(value.list_value, (way, step))

    def _fault(
        self, way: _Way, problem: str, reason: FieldReason = FieldReason.NOT_CANONICAL
    ) -> None:
        if not self._is_told():
            parts: list[str | int] = []
            while way is not None:
                way, step = way
                if step is not None:
                    parts.append(step)
            path = join_path(self._at, parts[::-1])
            self._add(
                self.unstorable, FieldViolation(field=path, description=problem, reason=reason)
            )

    def _add(self, found: list[FieldViolation], one: FieldViolation) -> None:
        if not self._is_told():
            found.append(one)
            self._told += len(one.field)

    def _is_told(self) -> bool:
        """Whether so much is wrong already that no more of it is told."""
        count = len(self.unknown) + len(self.unstorable) + len(self.overlong)
        return count >= MAX_VIOLATIONS or self._told > _MOST_TOLD

    def _count_values(self, count: int) -> None:
        self._values_seen += count
        if self._values_seen > MAX_VALUES:
            raise _TooMuch(
                self._at,
                f"is too large: all objects of a request together have {MAX_VALUES} values at most",
            )

    def _count_items(self, count: int, at: str) -> None:
        self._items_seen += count
        if self._items_seen > MAX_ITEMS:
            raise _TooMuch(
                at, f"is too large: all lists of a request together have {MAX_ITEMS} items at most"
            )


def _pair_parts(message: Any, known: Any) -> Iterator[tuple[list[str | int], Any, Any]]:
    """Yields the messages in a message: the JSON's way to each, it, and the same part of `known`.

    What the service writes is left out.
    """
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            for key in message.fields:
                yield [key], message.fields[key], known.fields[key]
        case "google.protobuf.ListValue":
            for index, value in enumerate(message.values):
                yield [index], value, known.values[index]
        case "google.protobuf.Value":
            kind = message.WhichOneof("kind")
            if kind in ("struct_value", "list_value"):
                yield [], getattr(message, kind), getattr(known, kind)
        case _:
            for field, value in message.ListFields():
                if field.message_type is None or is_ignored(field):
                    continue
                same = getattr(known, field.name)
                if not field.is_repeated:
                    yield [field.name], value, same
                elif not field.message_type.GetOptions().map_entry:
                    for index, part in enumerate(value):
                        yield [field.name, index], part, same[index]
                elif field.message_type.fields_by_name["value"].message_type is not None:
                    for key in value:
                        yield [field.name, _format_key(key)], value[key], same[key]


def _unknown_field(path: str, problem: str) -> FieldViolation:
    return FieldViolation(field=path, description=problem, reason=FieldReason.UNKNOWN_FIELD)


@cache
def is_ignored(field: FieldDescriptor) -> bool:
    """Whether a field holds messages that the service writes, so that a request says nothing."""
    return field.message_type is not None and _is_output(field)


def _is_output(field: FieldDescriptor) -> bool:
    """Whether the service alone writes a field."""
    behavior = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.OUTPUT_ONLY in behavior


@cache
def _most_items(field: FieldDescriptor) -> int:
    """How many items a list may have; 0 where the contract does not say."""
    rules: Any = field.GetOptions().Extensions[cast(Any, validate_pb2.field)]
    return int(rules.repeated.max_items)


def _leave_rules(request: Message) -> Message:
    """A copy with all that the rules of the contract speak of.

    Open objects in it are empty, and a list has no more items than it may have, since the rules of
    each item take time.
    """
    copy = type(request)()
    copy.CopyFrom(request)
    _empty(copy)
    return copy


def _empty(message: Message) -> None:
    for field, value in message.ListFields():
        if is_ignored(field):
            message.ClearField(field.name)
            continue
        if field.is_repeated and (most := _most_items(field)):
            del value[most:]
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.message_type.full_name in _OPEN:
            value.Clear()
            value.SetInParent()
        else:
            for part in value if field.is_repeated else [value]:
                _empty(part)


def _not_canonical(field: str, description: str) -> FieldViolation:
    return FieldViolation(field=field, description=description, reason=FieldReason.NOT_CANONICAL)


def _read_path(message: Descriptor | None, told: Any) -> tuple[str, OneofDescriptor | None]:
    """The path of a broken rule, and the oneof if it is one's.

    The path of a oneof is that of the message that lacks its member; of the request itself, the
    first member.
    """
    path = ""
    for element in told.elements:
        known = message.fields_by_name.get(element.field_name) if message else None
        if known is None:
            choice = message.oneofs_by_name[element.field_name] if message else None
            return path or (choice.fields[0].name if choice else ""), choice
        path = join_path(path, [element.field_name])
        if (at := element.subscript) is not None:
            path = join_path(path, [at.value if at.field == "index" else _format_key(at.value)])
        message = known.message_type
        if message is not None and message.GetOptions().map_entry:
            message = message.fields_by_name["value"].message_type
    return path, None


def _format_key(key: str | int | bool) -> str:
    """A key of a map, as JSON has it."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def _describe(found: protovalidate.Violation) -> str:
    value, rule = found.field_value, found.rule_value
    match found.proto.rule_id:
        case "string.pattern":
            return rule_words.pattern_words(str(rule), value)
        case "string.min_len" | "repeated.min_items":
            return rule_words.least_words(value, int(rule))
        case "string.max_len" | "repeated.max_items":
            return rule_words.most_words(value, int(rule))
        case _:
            return found.proto.message
