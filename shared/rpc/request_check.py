"""Whether a request can be served by its form: its fields, its values and their rules."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

import protovalidate
from google.api import resource_pb2
from google.protobuf.descriptor import Descriptor, OneofDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from shared import errors, rule_words
from shared.errors import FieldReason, FieldViolation
from shared.json_path import join_path

_KNOWN_TYPES: Final = "google.protobuf."
_LIST: Final = "google.protobuf.ListValue"
_STRUCT: Final = "google.protobuf.Struct"
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
_NUL: Final = "must not hold NUL"
_NUMBER: Final = "holds a number that JSON can't say"


def check_request(request: Message) -> None:
    """Raises InvalidRequest for unknown fields, for what can't be stored, and for broken rules.

    Paths are those of the request's JSON.
    """
    violations = [
        *find_unknown_fields(request),
        *find_unstorable(request),
        *find_misnamed(request),
    ]
    told = {one.field for one in violations}
    for found in protovalidate.collect_violations(request):
        violation = to_violation(request, found)
        if violation.field not in told:
            violations.append(violation)
    if violations:
        raise errors.InvalidRequest(violations)


def to_violation(request: Message, found: protovalidate.Violation) -> FieldViolation:
    """Returns a broken rule in our words, with the path of the request's JSON."""
    path, choice = _read_path(cast(Descriptor, request.DESCRIPTOR), found.proto.field)
    members = ", ".join(member.name for member in choice.fields) if choice else ""
    return FieldViolation(
        field=path,
        description=f"needs one of {members}" if members else _describe(found),
        reason=find_reason(found.proto.rule_id, is_empty=not found.field_value),
    )


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


def find_unknown_fields(message: Message, at: str = "") -> Iterator[FieldViolation]:
    """Yields fields that the contract does not have: `thread.#15`, since only numbers are sent."""
    for unknown in cast(Iterable[Any], UnknownFieldSet(message)):
        yield FieldViolation(
            field=f"{at}.#{unknown.field_number}" if at else f"#{unknown.field_number}",
            description="is not a field of this message",
            reason=FieldReason.UNKNOWN_FIELD,
        )
    for path, part in _list_messages(message, at):
        if not part.DESCRIPTOR.full_name.startswith(_KNOWN_TYPES):
            yield from find_unknown_fields(part, path)


def find_unstorable(message: Message, at: str = "") -> Iterator[FieldViolation]:
    """Yields texts with NUL, which PostgreSQL does not store, and numbers that JSON does not have.

    Those of open objects too, wherever they stand in them.
    """
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Value":
            yield from _value_faults(message, at)
        case "google.protobuf.FieldMask":
            if any("\0" in path for path in cast(Any, message).paths):
                yield _not_canonical(at, _NUL)
        case _:
            yield from _text_faults(message, at)
            for path, part in _list_messages(message, at):
                yield from find_unstorable(part, path)


def find_misnamed(request: Message) -> Iterator[FieldViolation]:
    """Yields the name of the resource that an update is about, if it has not the resource's form.

    The rules of other fields that hold names stand in the contract.
    """
    for field, template in _list_updated(cast(Descriptor, request.DESCRIPTOR)):
        name = getattr(request, field).name
        if request.HasField(field) and not re.fullmatch(_ID.sub("[^/]{1,63}", template), name):
            yield FieldViolation(
                field=f"{field}.name",
                description=f"must be a name like {template}",
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


def _value_faults(value: Any, at: str) -> Iterator[FieldViolation]:
    match value.WhichOneof("kind"):
        case "string_value" if "\0" in value.string_value:
            yield _not_canonical(at, _NUL)
        case "number_value" if not math.isfinite(value.number_value):
            yield _not_canonical(at, _NUMBER)
        case "struct_value":
            yield from find_unstorable(value.struct_value, at)
        case "list_value":
            yield from find_unstorable(value.list_value, at)


def _text_faults(message: Message, at: str) -> Iterator[FieldViolation]:
    """Faults of the texts of one message, and of the keys of its maps."""
    is_open = message.DESCRIPTOR.full_name == _STRUCT
    for field, value in message.ListFields():
        here = at if is_open else join_path(at, [field.name])
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key, item in value.items():
                if "\0" in str(key) or (isinstance(item, str) and "\0" in item):
                    yield _not_canonical(join_path(here, [str(key)]), _NUL)
        elif field.message_type is None and field.is_repeated:
            for index, item in enumerate(value):
                if isinstance(item, str) and "\0" in item:
                    yield _not_canonical(join_path(here, [index]), _NUL)
        elif field.message_type is None and isinstance(value, str) and "\0" in value:
            yield _not_canonical(here, _NUL)


def _list_messages(message: Message, at: str) -> Iterator[tuple[str, Message]]:
    """Yields the messages that one holds, with the paths of its JSON."""
    is_open = message.DESCRIPTOR.full_name in (_STRUCT, _LIST)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        here = at if is_open else join_path(at, [field.name])
        if not field.is_repeated:
            yield here, value
        elif field.message_type.GetOptions().map_entry:
            for key, item in value.items():
                if isinstance(item, Message):
                    yield join_path(here, [str(key)]), item
        else:
            for index, item in enumerate(value):
                yield join_path(here, [index]), item


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
            return rule_words.pattern_words(str(rule))
        case "string.min_len" | "repeated.min_items":
            return rule_words.least_words(value, int(rule))
        case "string.max_len" | "repeated.max_items":
            return rule_words.most_words(value, int(rule))
        case _:
            return found.proto.message
